"""What a strategy's author uses: hooks, options, records, draws, predictions as data."""
