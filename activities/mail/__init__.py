"""Mail: rendering, composing and handing over to an SMTP server (SPEC D6; provisioning.md b.7)."""
