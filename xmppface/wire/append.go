package wire

import "unicode/utf8"

// AppendAttr appends ` name='value'`, escaped.
func AppendAttr(b []byte, name, value string) []byte {
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, '=', '\'')
	b = AppendText(b, value)
	return append(b, '\'')
}

// AppendOptional appends the attribute unless its value is empty.
func AppendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return AppendAttr(b, name, value)
}

// AppendFlag appends ` name='true'` when set.
func AppendFlag(b []byte, name string, set bool) []byte {
	if !set {
		return b
	}
	b = append(b, ' ')
	b = append(b, name...)
	return append(b, "='true'"...)
}

// AppendBool appends ` name='true'` or ` name='false'`.
func AppendBool(b []byte, name string, value bool) []byte {
	if value {
		return AppendFlag(b, name, true)
	}
	b = append(b, ' ')
	b = append(b, name...)
	return append(b, "='false'"...)
}

// plain holds the bytes that need no look: printable ASCII but for the specials.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = true
	}
	for _, c := range "&<>'\"" {
		t[c] = false
	}
	return
}()

// AppendText appends s escaped for character data and attribute values in
// either quotes. What XML cannot carry (control characters, invalid UTF-8) is
// replaced by U+FFFD.
func AppendText(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		size := 1
		esc := "\uFFFD"
		switch c {
		case '&':
			esc = "&amp;"
		case '<':
			esc = "&lt;"
		case '>':
			esc = "&gt;"
		case '\'':
			esc = "&apos;"
		case '"':
			esc = "&quot;"
		case '\n':
			esc = "&#10;"
		case '\r':
			esc = "&#13;"
		case '\t':
			esc = "&#9;"
		case 0x7f:
			i++
			continue
		default:
			if c >= utf8.RuneSelf {
				var r rune
				r, size = utf8.DecodeRuneInString(s[i:])
				if (r != utf8.RuneError || size > 1) && r != 0xFFFE && r != 0xFFFF {
					i += size
					continue
				}
			}
		}
		b = append(b, s[from:i]...)
		b = append(b, esc...)
		i += size
		from = i
	}
	return append(b, s[from:]...)
}
