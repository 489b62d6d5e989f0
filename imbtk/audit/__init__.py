"""``imbtk check``: what would spoil results on these data, found before anything is trained."""

from imbtk.audit.check import check, quick_audit
from imbtk.audit.findings import Audit, Finding, FindingTable

__all__ = ["Audit", "Finding", "FindingTable", "check", "quick_audit"]
