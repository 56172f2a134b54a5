"""How new videos are noticed without quota: pushes of YouTube's hub, and feeds."""
