package wire

import (
	"strings"
	"unicode/utf8"
)

// Characters returns the text in registers, two bytes to each: the high one
// first, or the low one when the order swaps bytes. It ends at the first NUL;
// blanks at the end are padding. What is not valid UTF-8 is taken for Latin-1.
func Characters(o Order, b []byte) string {
	var s strings.Builder
	s.Grow(len(b))
	for i := range b {
		c := b[i]
		if o.SwapsBytes() {
			c = b[i^1]
		}
		if c == 0 {
			break
		}
		s.WriteByte(c)
	}
	text := strings.TrimRight(s.String(), " \t\r\n")
	if utf8.ValidString(text) {
		return text
	}
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

// PutCharacters writes a text in UTF-8 into registers and fills the rest with
// NUL. What does not fit is cut off.
func PutCharacters(o Order, b []byte, s string) {
	clear(b)
	for i := range min(len(s), len(b)) {
		if o.SwapsBytes() {
			b[i^1] = s[i]
		} else {
			b[i] = s[i]
		}
	}
}
