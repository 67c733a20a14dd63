package modbus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// parseOptions reads the choices of an enumeration, "0=off, 1=on": the integer
// that the registers hold, in decimal or hexadecimal, and its text. It returns them
// with a line end before each, so that formats compare with == and a choice is
// found by looking for its line.
func parseOptions(s string, f *format) (string, error) {
	words := splitList(s)
	if len(words) == 0 {
		return "", nil
	}
	if f.typ.Floating() || f.typ == wire.Text {
		return "", fmt.Errorf("only whole numbers and bits have choices: leave this out, or choose another Type")
	}
	low, high := f.bounds()
	var out strings.Builder
	seen := make(map[string]bool)
	for _, word := range words {
		number, text, ok := strings.Cut(word, "=")
		number, text = strings.TrimSpace(number), strings.TrimSpace(text)
		if !ok || text == "" {
			return "", fmt.Errorf("%q: write a number and its text, such as 0=off, 1=on", clip(word))
		}
		key, ok := optionNumber(number)
		if !ok {
			return "", fmt.Errorf("%q is no whole number: write such as 0=off, 1=on, 0x10=fault", clip(number))
		}
		if !within(key, low, high) {
			return "", fmt.Errorf("%s does not fit into %s: %d to %d", key, f.room(), low, high)
		}
		if other, ok := optionNumber(text); ok && other != key {
			return "", fmt.Errorf("%s has the text %q, which is another number: write words", key, clip(text))
		}
		if seen[key] {
			return "", fmt.Errorf("%s has two texts: leave out one", key)
		}
		seen[key] = true
		out.WriteString("\n" + key + "=" + text)
	}
	out.WriteByte('\n')
	return out.String(), nil
}

// optionNumber returns a decimal or hexadecimal integer in its plain decimal form.
func optionNumber(s string) (string, bool) {
	if hex, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		u, err := strconv.ParseUint(hex, 16, 64)
		return strconv.FormatUint(u, 10), err == nil
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(i, 10), true
	}
	u, err := strconv.ParseUint(s, 10, 64)
	return strconv.FormatUint(u, 10), err == nil
}

// within tells whether an integer in its plain form lies between the bounds.
func within(number string, low int64, high uint64) bool {
	if i, err := strconv.ParseInt(number, 10, 64); err == nil {
		return i >= low && (i < 0 || uint64(i) <= high)
	}
	u, err := strconv.ParseUint(number, 10, 64)
	return err == nil && u <= high
}

// option returns the choice for an integer; one that is not listed shows as its
// number.
func (f *format) option(i int64, large uint64) nodes.Value {
	var buf [24]byte
	key := append(buf[:0], '\n')
	if i < 0 && large != 0 {
		key = strconv.AppendUint(key, large, 10)
	} else {
		key = strconv.AppendInt(key, i, 10)
	}
	key = append(key, '=')
	if at := strings.Index(f.options, string(key)); at >= 0 {
		text := f.options[at+len(key):]
		return nodes.Enum(text[:strings.IndexByte(text, '\n')], f.enum)
	}
	return nodes.Enum(string(key[1:len(key)-1]), f.enum)
}

// choice is an option: an integer in its plain form, and its text.
type choice struct{ number, text string }

// choices returns the options in their order.
func (f *format) choices() []choice {
	var out []choice
	for line := range strings.SplitSeq(strings.Trim(f.options, "\n"), "\n") {
		number, text, _ := strings.Cut(line, "=")
		out = append(out, choice{number, text})
	}
	return out
}

// numberOf returns the integer that stands for a text, or the text itself when it
// is a number.
func (f *format) numberOf(text string) (string, bool) {
	list := f.choices()
	for _, c := range list {
		if c.text == text {
			return c.number, true
		}
	}
	for _, c := range list {
		if strings.EqualFold(c.text, text) {
			return c.number, true
		}
	}
	return optionNumber(text)
}
