"""Progress that jobs report of themselves: by an annotation, or by HTTP to the operator. docs/progress.md."""
