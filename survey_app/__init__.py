"""What raters and coordinators see: Streamlit pages over ``study``."""
