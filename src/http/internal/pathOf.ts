/** An address without its query, which may hold secrets. */
export const pathOf = (url: string): string => url.split("?", 1)[0] ?? url
