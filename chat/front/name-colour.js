/* Name colour: the same name has the same hue everywhere; the theme chooses how light it is. */

/** @param {string} name @returns {number} degrees, 0 to 359 (FNV-1a of the name's characters) */
export function hueOf(name) {
  let hash = 0x811c9dc5;
  for (const character of name) {
    hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  }
  // The low digits of near names are near; the middle ones are not.
  return (hash >>> 9) % 360;
}
