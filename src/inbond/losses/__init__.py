"""Pure tensor functions: divergences with their gradients, sparse targets, chunked heads."""
