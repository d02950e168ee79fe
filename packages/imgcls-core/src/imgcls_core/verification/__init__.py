"""An artifact as the truth about its deployments: right answers, to new images too; may import every other room."""
