package payload

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

// plain takes the one number of a payload, as Plain has it: "21.5", "21,5 °C".
func plain(data []byte, out []Item) error {
	b := bytes.TrimSpace(data)
	n := 0
	for n < len(b) && (b[n] >= '0' && b[n] <= '9' || b[n] == '.' || b[n] == '-' || b[n] == '+') {
		n++
	}
	if n < len(b) && (b[n] == 'e' || b[n] == 'E') {
		j := n + 1
		if j < len(b) && (b[j] == '-' || b[j] == '+') {
			j++
		}
		if d := digits(b[j:]); d > 0 {
			n = j + d
		}
	}
	it := Item{Kind: Number, Raw: b[:n]}
	switch _, _, ok := parseNumber(b[:n]); {
	case len(b) == 0:
		it = Item{Kind: Null}
	case !utf8.Valid(b):
		return broken("neither a number nor text: %s", shown(b))
	case !ok:
		it = Item{Kind: Text, Raw: b} // on, unavailable: the mapping knows
	case n < len(b) && (b[n] == ',' || b[n] == ':' || b[n] == '/'):
		return broken("more than a number: %s", shown(b))
	}
	for i := range out {
		out[i] = it
	}
	return nil
}

func words(data []byte, out []Item) error {
	if !utf8.Valid(data) {
		return broken("text is UTF-8, this is not: %s", shown(data))
	}
	for i := range out {
		out[i] = Item{Kind: Text, Raw: data}
	}
	return nil
}

// shown quotes the beginning of a payload for messages.
func shown(b []byte) string {
	const most = 40
	if len(b) > most {
		return strconv.Quote(string(b[:most])) + "…"
	}
	return strconv.Quote(string(b))
}

// scalar is an item of a text that may be a number, a truth value or nothing.
func scalar(b []byte) Item {
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
		return Item{Kind: Null, Raw: b}
	case len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"':
		return Item{Kind: Text, Raw: b[1 : len(b)-1]}
	}
	if _, _, ok := parseNumber(b); ok {
		return Item{Kind: Number, Raw: b}
	}
	return Item{Kind: Text, Raw: b}
}

// pairs takes values by their keys: pairs are a comma, semicolon, ampersand, blank or
// line apart, key and value an equals sign or a colon.
func (l *Layout) pairs(data []byte, out []Item) error {
	if !utf8.Valid(data) {
		return broken("text is UTF-8, this is not: %s", shown(data))
	}
	found := false
	for rest := data; len(rest) > 0; {
		rest = bytes.TrimLeft(rest, ",;& \t\r\n")
		sign := bytes.IndexAny(rest, "=:")
		if sign < 0 {
			break
		}
		key := bytes.TrimSpace(rest[:sign])
		if i := bytes.LastIndexAny(key, ",;& \t\r\n"); i >= 0 {
			key = key[i+1:] // words without a value before it
		}
		value, more := rest[sign+1:], []byte(nil)
		value = bytes.TrimLeft(value, " \t")
		if len(value) > 0 && value[0] == '"' {
			end := bytes.IndexByte(value[1:], '"')
			if end < 0 {
				return broken("the value of %s has no end", shown(key))
			}
			value, more = value[:end+2], value[end+2:]
		} else if end := bytes.IndexAny(value, ",;& \t\r\n"); end >= 0 {
			value, more = value[:end], value[end:]
		}
		found = true
		for i, k := range l.keys {
			if out[i].Kind == Absent && k == string(key) {
				out[i] = scalar(value)
			}
		}
		rest = more
	}
	if !found {
		return broken("no pair such as key=value: %s", shown(data))
	}
	return nil
}

func column(path string) (int, error) {
	n, err := strconv.Atoi(path)
	if err != nil || n < 1 || n > 10000 {
		return 0, errors.New("write the column, counted from 1")
	}
	return n, nil
}

// row takes columns of the last row that is not empty. Cells are a comma, semicolon
// or tab apart: whichever the row has outside of quotes, the first of tab, semicolon
// and comma.
func (l *Layout) row(data []byte, out []Item) error {
	if !utf8.Valid(data) {
		return broken("text is UTF-8, this is not: %s", shown(data))
	}
	b := bytes.TrimSpace(data)
	if len(b) == 0 {
		return broken("there is no row")
	}
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		b = b[i+1:]
	}
	sep := separator(b)
	for n := 1; ; n++ {
		cell, rest, more, err := cut(b, sep)
		if err != nil {
			return err
		}
		for i, c := range l.column {
			if c == n {
				out[i] = cell
			}
		}
		if !more {
			return nil
		}
		b = rest
	}
}

func separator(b []byte) byte {
	for _, sep := range []byte{'\t', ';', ','} {
		quoted := false
		for _, c := range b {
			if c == '"' {
				quoted = !quoted
			} else if c == sep && !quoted {
				return sep
			}
		}
	}
	return ','
}

// cut takes the first cell off a row.
func cut(b []byte, sep byte) (cell Item, rest []byte, more bool, err error) {
	b = bytes.TrimLeft(b, " ")
	if len(b) == 0 || b[0] != '"' {
		value, rest, more := bytes.Cut(b, []byte{sep})
		return scalar(value), rest, more, nil
	}
	end, double := 1, false
	for ; ; end++ {
		if end >= len(b) {
			return Item{}, nil, false, broken("a quoted cell has no end")
		}
		if b[end] != '"' {
			continue
		}
		if end+1 < len(b) && b[end+1] == '"' {
			double = true
			end++
			continue
		}
		break
	}
	value := b[1:end]
	if double {
		value = bytes.ReplaceAll(value, []byte(`""`), []byte(`"`))
	}
	after := bytes.TrimLeft(b[end+1:], " ")
	if len(after) == 0 {
		return Item{Kind: Text, Raw: value}, nil, false, nil
	}
	if after[0] != sep {
		return Item{}, nil, false, broken("there is something behind a quoted cell")
	}
	return Item{Kind: Text, Raw: value}, after[1:], true, nil
}
