"""The kind `sequence`: proteins, DNA and RNA, text."""
