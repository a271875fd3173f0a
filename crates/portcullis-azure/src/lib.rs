//! Microsoft Entra ID (Azure) for portcullis.
