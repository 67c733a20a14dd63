package payload

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// maxDepth is how deep JSON may be nested.
const maxDepth = 64

// jsonLayout is the paths as a tree, which is walked along with the payload, once.
// Paths with more than keys and indices are left to gjson.
type jsonLayout struct {
	root    step
	queries []query
}

// step is a place in the JSON text that is on the way to a value, or is one.
type step struct {
	key   string
	index int // of an array element; -1: the key is not a number
	slots []int
	next  []*step
}

type query struct {
	slot int
	path string
}

func (l *jsonLayout) add(slot int, path string) error {
	if strings.ContainsAny(path, `*?|#@!{}[]()\`) {
		if !utf8.ValidString(path) {
			return errors.New("not valid UTF-8")
		}
		l.queries = append(l.queries, query{slot, path})
		return nil
	}
	at := &l.root
	if path != "" {
		for key := range strings.SplitSeq(path, ".") {
			if key == "" {
				return errors.New("there is an empty key")
			}
			at = at.child(key)
		}
	}
	at.slots = append(at.slots, slot)
	return nil
}

func (s *step) child(key string) *step {
	for _, c := range s.next {
		if c.key == key {
			return c
		}
	}
	c := &step{key: key, index: -1}
	if n, err := strconv.ParseUint(key, 10, 31); err == nil {
		c.index = int(n)
	}
	s.next = append(s.next, c)
	return c
}

func (l *jsonLayout) take(data []byte, out []Item) error {
	if !utf8.Valid(data) {
		return broken("JSON is UTF-8, this is not")
	}
	s := scanner{data: data, out: out}
	s.blank()
	if s.at == len(data) {
		return broken("the payload is empty")
	}
	if err := s.value(&l.root, 0); err != nil {
		return err
	}
	s.blank()
	if s.at < len(data) {
		return s.wrong("nothing more")
	}
	for _, q := range l.queries {
		out[q.slot] = ask(data, q.path)
	}
	return nil
}

// ask takes a value by a path of gjson out of valid JSON.
func ask(data []byte, path string) Item {
	r := gjson.GetBytes(data, path)
	switch r.Type {
	case gjson.Null:
		if !r.Exists() {
			return Item{}
		}
		return Item{Kind: Null}
	case gjson.False, gjson.True:
		return Item{Kind: Bool, Raw: []byte(r.String())}
	case gjson.Number: // "#" counts, and gives no Raw that is a number by itself
		raw := []byte(r.Raw)
		if len(raw) == 0 || !isNumber(raw) {
			raw = strconv.AppendFloat(nil, r.Num, 'f', -1, 64)
		}
		return Item{Kind: Number, Raw: raw}
	case gjson.String:
		return Item{Kind: Text, Raw: []byte(r.Str)}
	}
	return Item{Kind: Nested, Raw: []byte(r.Raw)}
}

// scanner walks through JSON text (RFC 8259), strictly.
type scanner struct {
	data []byte
	at   int
	out  []Item
}

func (s *scanner) wrong(wanted string) error {
	if s.at >= len(s.data) {
		return broken("JSON ends after %d bytes, %s is missing", len(s.data), wanted)
	}
	return broken("no JSON: byte %d is %q, %s is wanted", s.at+1, rune(s.data[s.at]), wanted)
}

func (s *scanner) blank() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

// value scans a value and keeps it where it is wanted; p is nil where nothing is.
func (s *scanner) value(p *step, depth int) error {
	if s.at >= len(s.data) {
		return s.wrong("a value")
	}
	begin := s.at
	it := Item{}
	var err error
	switch c := s.data[s.at]; c {
	case '{':
		it.Kind = Nested
		err = s.object(p, depth+1)
	case '[':
		it.Kind = Nested
		err = s.array(p, depth+1)
	case '"':
		var escaped bool
		it.Raw, escaped, err = s.text()
		if it.Kind = Text; escaped {
			it.Kind = Quoted
		}
	case 't':
		it.Kind = Bool
		err = s.word("true")
	case 'f':
		it.Kind = Bool
		err = s.word("false")
	case 'n':
		it.Kind = Null
		err = s.word("null")
	default:
		it.Kind = Number
		n := numberLength(s.data[s.at:])
		if n == 0 {
			return s.wrong("a value")
		}
		s.at += n
	}
	if err != nil || p == nil {
		return err
	}
	if it.Raw == nil {
		it.Raw = s.data[begin:s.at]
	}
	for _, slot := range p.slots {
		if s.out[slot].Kind == Absent { // of several members of one name the first counts
			s.out[slot] = it
		}
	}
	return nil
}

func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.data[s.at:], []byte(w)) {
		return s.wrong(w)
	}
	s.at += len(w)
	return nil
}

// text scans a string and returns what is between its quotes.
func (s *scanner) text() (raw []byte, escaped bool, err error) {
	s.at++
	begin := s.at
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '"':
			raw = s.data[begin:s.at]
			s.at++
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < ' ':
			return nil, false, s.wrong("no control character")
		default:
			s.at++
		}
	}
	return nil, false, s.wrong("the end of a text")
}

func (s *scanner) escape() error {
	s.at++
	if s.at >= len(s.data) {
		return s.wrong("the end of a text")
	}
	switch s.data[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		for range 4 {
			s.at++
			if s.at >= len(s.data) || !isHex(s.data[s.at]) {
				return s.wrong("a hexadecimal digit")
			}
		}
		s.at++
		return nil
	}
	return s.wrong("an escape")
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (s *scanner) object(p *step, depth int) error {
	if depth > maxDepth {
		return broken("JSON is nested more than %d deep", maxDepth)
	}
	s.at++
	s.blank()
	if s.at < len(s.data) && s.data[s.at] == '}' {
		s.at++
		return nil
	}
	var hint int
	for {
		if s.at >= len(s.data) || s.data[s.at] != '"' {
			return s.wrong("a name")
		}
		key, escaped, err := s.text()
		if err != nil {
			return err
		}
		s.blank()
		if s.at >= len(s.data) || s.data[s.at] != ':' {
			return s.wrong(`":"`)
		}
		s.at++
		s.blank()
		var below *step
		if p != nil && len(p.next) > 0 {
			if escaped {
				key = []byte(unquote(key))
			}
			below, hint = p.member(key, hint)
		}
		if err := s.value(below, depth); err != nil {
			return err
		}
		s.blank()
		if s.at >= len(s.data) {
			return s.wrong(`"}"`)
		}
		switch s.data[s.at] {
		case ',':
			s.at++
			s.blank()
		case '}':
			s.at++
			return nil
		default:
			return s.wrong(`"," or "}"`)
		}
	}
}

// member finds what is wanted of a member of an object, beginning behind the one
// that was found before: names nearly always come in the same order.
func (s *step) member(key []byte, hint int) (*step, int) {
	for range s.next {
		if hint >= len(s.next) {
			hint = 0
		}
		c := s.next[hint]
		hint++
		if c.key == string(key) {
			return c, hint
		}
	}
	return nil, hint
}

func (s *scanner) array(p *step, depth int) error {
	if depth > maxDepth {
		return broken("JSON is nested more than %d deep", maxDepth)
	}
	s.at++
	s.blank()
	if s.at < len(s.data) && s.data[s.at] == ']' {
		s.at++
		return nil
	}
	for i := 0; ; i++ {
		var below *step
		if p != nil {
			for _, c := range p.next {
				if c.index == i {
					below = c
				}
			}
		}
		if err := s.value(below, depth); err != nil {
			return err
		}
		s.blank()
		if s.at >= len(s.data) {
			return s.wrong(`"]"`)
		}
		switch s.data[s.at] {
		case ',':
			s.at++
			s.blank()
		case ']':
			s.at++
			return nil
		default:
			return s.wrong(`"," or "]"`)
		}
	}
}

// unquote resolves the escapes of a text that was scanned.
func unquote(raw []byte) string {
	return gjson.ParseBytes(append(append([]byte{'"'}, raw...), '"')).Str
}
