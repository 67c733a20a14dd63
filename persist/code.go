package persist

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Records are appended field by field, without names: numbers as varints, texts
// with their length before them.

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendTime writes 0 for the zero time, else 1, seconds and nanoseconds.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	b = binary.AppendVarint(append(b, 1), t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

// Codes of kinds of values; they are stored and never change.
var kindCodes = [...]byte{
	nodes.KindNone: 0, nodes.KindBool: 1, nodes.KindInt32: 2, nodes.KindInt64: 3, nodes.KindDouble: 4,
	nodes.KindString: 5, nodes.KindEnum: 6, nodes.KindDate: 7, nodes.KindDateTime: 8, nodes.KindTime: 9,
	nodes.KindDuration: 10, nodes.KindColor: 11,
}

// codeSealed is that of a value that is sealed, whatever its kind.
const codeSealed = 12

func appendValue(b []byte, v nodes.Value) []byte {
	if sealed := sealedBytes(v); sealed != nil {
		b = binary.AppendUvarint(append(b, codeSealed), uint64(len(sealed)))
		return append(b, sealed...)
	}
	b = append(b, kindCodes[v.Kind()])
	switch v.Kind() {
	case nodes.KindBool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case nodes.KindInt32, nodes.KindInt64:
		return binary.AppendVarint(b, v.Int())
	case nodes.KindDouble:
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Double()))
		return appendText(append(b, byte(v.Decimals()+1)), v.Unit())
	case nodes.KindString:
		return appendText(b, v.Text())
	case nodes.KindEnum:
		return appendText(appendText(b, v.Text()), v.EnumType())
	case nodes.KindDate:
		return binary.AppendVarint(b, v.Time().Unix()/86400)
	case nodes.KindDateTime:
		return binary.AppendVarint(b, v.Time().UnixNano())
	case nodes.KindTime:
		return binary.AppendVarint(b, int64(v.Span()))
	case nodes.KindDuration:
		return binary.AppendVarint(binary.AppendVarint(b, int64(v.Months())), int64(v.Span()))
	case nodes.KindColor:
		r, g, bl, a := v.RGBA()
		return append(b, r, g, bl, a)
	}
	return b
}

// reader takes a record apart. After an error everything it returns is zero.
type reader struct {
	b      []byte
	bad    bool
	names  map[string]string // texts that repeat, made once; may be nil
	sealed bool              // a sealed value was among them
}

func (r *reader) fail() { r.bad, r.b = true, nil }

// err returns an error when something was wrong or is left over.
func (r *reader) err() error {
	if r.bad || len(r.b) > 0 {
		return errRecord
	}
	return nil
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) octet() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads the length of a list whose members take at least one byte each.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return string(r.take(r.uint())) }

// name reads a text that many records share.
func (r *reader) name() string {
	b := r.take(r.uint())
	if r.names == nil {
		return string(b)
	}
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(b)
	r.names[s] = s
	return s
}

func (r *reader) time() time.Time {
	switch r.octet() {
	case 0:
		return time.Time{}
	case 1:
		sec, nsec := r.int(), r.uint()
		if nsec >= 1e9 || r.bad {
			r.fail()
			return time.Time{}
		}
		return time.Unix(sec, int64(nsec)).UTC()
	}
	r.fail()
	return time.Time{}
}

func (r *reader) value() nodes.Value {
	switch r.octet() {
	case 0:
		return nodes.Value{}
	case 1:
		return nodes.Bool(r.octet() != 0)
	case 2:
		i := r.int()
		if i < math.MinInt32 || i > math.MaxInt32 {
			r.fail()
		}
		return nodes.Int32(int32(i))
	case 3:
		return nodes.Int64(r.int())
	case 4:
		b := r.take(8)
		if b == nil {
			return nodes.Value{}
		}
		f := math.Float64frombits(binary.LittleEndian.Uint64(b))
		decimals := int(r.octet()) - 1
		return nodes.Quantity(f, decimals, r.name())
	case 5:
		return nodes.String(r.text())
	case 6:
		member := r.name()
		return nodes.Enum(member, r.name())
	case 7:
		days := r.int()
		if days < -1e9 || days > 1e9 {
			r.fail()
			return nodes.Value{}
		}
		return nodes.Date(time.Unix(days*86400, 0).UTC())
	case 8:
		return nodes.DateTime(time.Unix(0, r.int()))
	case 9:
		return nodes.TimeOfDay(time.Duration(r.int()))
	case 10:
		months := r.int()
		if months < math.MinInt32 || months > math.MaxInt32 {
			r.fail()
		}
		return nodes.Duration(int(months), time.Duration(r.int()))
	case 11:
		if c := r.take(4); c != nil {
			return nodes.Color(c[0], c[1], c[2], c[3])
		}
		return nodes.Value{}
	case codeSealed:
		r.sealed = true
		v := sealedValue(r.take(r.uint()))
		if !Sealed(v) {
			r.fail()
			return nodes.Value{}
		}
		return v
	}
	r.fail()
	return nodes.Value{}
}
