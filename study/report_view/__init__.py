"""What leaves a study: its data read once, under the names that they may have now.

Rows for other software (``export``, ``comparisons``, ``conversations``, ``verdicts``) and what the report is
made from (``report_data``, ``data``). Nothing here gives a system's name before the study is unblinded.
"""
