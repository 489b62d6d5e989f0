"""One minimal strategy for each hook that a strategy can answer: what ``imbtk new-plugin`` begins with.

File ``criterion.py`` is the example of hook ``imbtk_criterion``; its page in ``docs/hooks/`` shows the same lines.
"""
