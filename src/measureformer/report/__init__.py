"""The report of a run: pictures of the measures on the globe, and the certificate, in one HTML file."""

from .write import write_report as write_report
