"""What do the feeds share: the formats of advisory documents, severities, dates of support?"""
