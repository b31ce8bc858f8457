"""Reading model weights from disk: headers, folders, single files, tokenizers."""
