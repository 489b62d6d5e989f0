"""``imbtk check``: what would spoil results on these data, found before anything is trained."""

from imbtk.audit.findings import Audit, Finding, FindingTable
from imbtk.audit.inspection import check, quick_audit

__all__ = ["Audit", "Finding", "FindingTable", "check", "quick_audit"]
