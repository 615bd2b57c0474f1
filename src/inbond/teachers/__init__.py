"""Teachers: models that complete prompts or score tokens, behind two narrow Protocols."""
