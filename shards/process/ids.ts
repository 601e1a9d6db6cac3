/** A new id, 36 characters of `[0-9a-f-]`: unguessable, so also fit as a client order id. */
export const randomId = (): string => crypto.randomUUID();
