// Where Event Grid leaves what it could not deliver.

export interface DeadLetters {
  /** Files with undelivered events, at most `limit`; none where nothing was ever left. */
  list(limit: number): Promise<{ name: string; bytes: number }[]>;
  /** null when somebody removed it meanwhile. Larger than `maxBytes`: RejectedError `file-too-large`. */
  read(name: string, maxBytes: number): Promise<Uint8Array | null>;
  /** One that is not there is fine. */
  remove(name: string): Promise<void>;
}
