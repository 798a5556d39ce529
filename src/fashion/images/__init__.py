"""Arrays of images to arrays of images: parts, copies, random changes, changes as they may come from elsewhere."""
