"""The server: its application before Streamlit's pages, settings, documents, files, drafts and load."""
