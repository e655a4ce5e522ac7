profile boxed {
  / r,
  /** rwix,
  capability,
  signal,
  deny /run/secret rw,
}
