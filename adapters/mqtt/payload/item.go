package payload

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is what an [Item] is.
type Kind uint8

// The kinds of items.
const (
	Absent  Kind = iota // there is nothing at that path
	Null                // JSON null, or an empty cell
	Bool                // true or false, in Raw
	Number              // a number in decimal notation, in Raw
	Text                // text, in Raw without quotes
	Quoted              // text with JSON escapes, in Raw without quotes
	Nested              // a JSON object or array, in Raw
	Integer             // a whole number of a binary layout, in Int
	Real                // a floating point number of a binary layout, in Float
)

var kindNames = [...]string{"nothing", "null", "a truth value", "a number", "a text", "a text", "an object or array", "a number", "a number"}

// String returns the kind for messages: "a number".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Item is what a payload holds at a path. Raw points into the payload, and must not
// be kept longer than that.
type Item struct {
	Kind  Kind
	Raw   []byte
	Int   int64
	Float float64
}

// ErrFormat is in the chain of every error that says that a payload is not what its
// format says.
var ErrFormat = errors.New("not in the format")

func broken(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, a...))
}

// Format is how a payload is written.
type Format uint8

// The formats.
const (
	JSON     Format = iota // paths as those of gjson: a.b.0
	Plain                  // one number, perhaps with a unit behind it; no path
	Words                  // one text; no path
	KeyValue               // pairs such as t=21.5,h=40; the path is the key
	CSV                    // the last row; the path is the column, counted from 1
	Binary                 // the path is offset:type:order, such as 4:int16:le
	formatEnd
)

var formatNames = [...]string{"json", "number", "text", "keyvalue", "csv", "binary"}

// String returns the name of the format, as in parameters.
func (f Format) String() string {
	if f < formatEnd {
		return formatNames[f]
	}
	return "unknown"
}

// Formats returns the names of all formats.
func Formats() []string { return formatNames[:] }

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, bool) {
	for i, n := range formatNames {
		if strings.EqualFold(n, name) {
			return Format(i), true
		}
	}
	return 0, false
}

// Layout takes the items of several paths out of payloads of one format. Not safe
// for concurrent use.
type Layout struct {
	format Format
	count  int
	json   *jsonLayout
	keys   []string
	column []int
	fields []binaryField
}

// NewLayout makes a layout of the paths of a format.
func NewLayout(f Format, paths []string) (*Layout, error) {
	l := &Layout{format: f, count: len(paths)}
	for i, path := range paths {
		if err := l.add(i, path); err != nil {
			return nil, fmt.Errorf("path %q: %w", path, err)
		}
	}
	return l, nil
}

func (l *Layout) add(slot int, path string) error {
	switch l.format {
	case JSON:
		if l.json == nil {
			l.json = &jsonLayout{}
		}
		return l.json.add(slot, path)
	case KeyValue:
		if path == "" {
			return errors.New("write the key")
		}
		l.keys = append(l.keys, path)
	case CSV:
		n, err := column(path)
		l.column = append(l.column, n)
		return err
	case Binary:
		f, err := parseBinary(path)
		l.fields = append(l.fields, f)
		return err
	case Plain, Words:
		if path != "" {
			return errors.New("the payload is one value, which has no path")
		}
	default:
		return errors.New("unknown format")
	}
	return nil
}

// CheckPath tells what is wrong with a path of a format; nil: nothing.
func CheckPath(f Format, path string) error {
	_, err := NewLayout(f, []string{path})
	return err
}

// Take puts what a payload holds into out, which has a place for each path; what is
// not there is Absent. After an error out is not to be used. The whole payload is
// checked, not only what is taken.
func (l *Layout) Take(data []byte, out []Item) error {
	out = out[:l.count]
	clear(out)
	if l.count == 0 {
		return nil
	}
	switch l.format {
	case JSON:
		return l.json.take(data, out)
	case Plain:
		return plain(data, out)
	case Words:
		return words(data, out)
	case KeyValue:
		return l.pairs(data, out)
	case CSV:
		return l.row(data, out)
	default:
		return l.bytes(data, out)
	}
}
