"""What `import bbyte` offers beside the parts themselves: a few objects and functions around them."""
