"""What others write and read: chat lines, ShareGPT, Alpaca, TRL's columns, Hugging Face folders, batches."""
