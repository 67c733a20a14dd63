package strict

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Check returns what makes a document unreadable as text, before anything is known
// of its structure: bytes that are not UTF-8, and control characters. Its errors are
// of type *Problems. A document that passes arrives unchanged when it is sent as
// XML text.
func Check(file string, b []byte) error {
	line, column, text := unreadable(bytes.TrimPrefix(b, []byte("\ufeff")))
	if text == "" {
		return nil
	}
	return &Problems{File: file, List: []Problem{{line, column, text}}}
}

// unreadable finds the first character that no text has; an empty text is none.
func unreadable(b []byte) (line, column int, text string) {
	line, column = 1, 1
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1:
			return line, column, fmt.Sprintf("byte 0x%02X is not UTF-8; save the file in the encoding UTF-8", b[0])
		case r == '\n':
			line, column = line+1, 0
		case r == '\t' || r == '\r':
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff:
			return line, column, fmt.Sprintf("control character U+%04X; leave it away", r)
		}
		column++
		b = b[size:]
	}
	return 0, 0, ""
}

// shown is a line as a terminal may be given it.
func shown(line string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(line, string(unicode.ReplacementChar)))
}

// tooDeep returns the token at which values are nested too deep, as far as they can
// be so in little text: brackets in each other, and dashes in one line. Nesting by
// indentation takes as many spaces.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, dashes, line := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets = max(brackets-1, 0)
		case token.SequenceEntryType, token.MappingKeyType:
			if t.Position.Line != line {
				dashes, line = 0, t.Position.Line
			}
			dashes++
		}
		if brackets > maxDepth || dashes > maxDepth {
			return t
		}
	}
	return nil
}
