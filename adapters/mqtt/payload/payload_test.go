package payload

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/fieldhub/hub/nodes"
)

func take(t *testing.T, f Format, data, path string) (Item, error) {
	t.Helper()
	l, err := NewLayout(f, []string{path})
	if err != nil {
		t.Fatalf("path %q: %v", path, err)
	}
	out := make([]Item, 1)
	err = l.Take([]byte(data), out)
	return out[0], err
}

func TestTake(t *testing.T) {
	const doc = `{"a":1,"b":{"c":[10,{"d":"x\u00e4"},null]},"e.f":2,"a":3,"k":[{"n":"x","v":7},{"n":"y","v":8}]}`
	for _, tt := range []struct {
		format     Format
		data, path string
		kind       Kind
		want       string
	}{
		{JSON, doc, "a", Number, "1"},
		{JSON, doc, "b.c.0", Number, "10"},
		{JSON, doc, "b.c.1.d", Quoted, "xä"},
		{JSON, doc, "b.c.2", Null, "null"},
		{JSON, doc, "b.c.3", Absent, ""},
		{JSON, doc, "b.c", Nested, `[10,{"d":"x\u00e4"},null]`},
		{JSON, doc, `e\.f`, Number, "2"},
		{JSON, doc, `k.#(n=="y").v`, Number, "8"},
		{JSON, doc, "k.#", Number, "2"},
		{JSON, " 21.50 ", "", Number, "21.50"},
		{JSON, `"on"`, "", Text, "on"},
		{JSON, `true`, "", Bool, "true"},
		{JSON, `{"7":1}`, "7", Number, "1"},
		{Plain, " 21.5 °C\n", "", Number, "21.5"},
		{Plain, "-3e2", "", Number, "-3e2"},
		{Plain, "ON", "", Text, "ON"},
		{Plain, "", "", Null, ""},
		{Words, " a b ", "", Text, " a b "},
		{KeyValue, "t=21.5,h=40", "h", Number, "40"},
		{KeyValue, "t: 21.5; state: \"all well\"\n", "state", Text, "all well"},
		{KeyValue, "weather t=21.5 1700000", "t", Number, "21.5"},
		{KeyValue, "t=21.5", "x", Absent, ""},
		{CSV, "time;t;h\n12:00;21,5;40\n", "3", Number, "40"},
		{CSV, `1,"a ""b"", c",3`, "2", Text, `a "b", c`},
		{CSV, `1,"a ""b"", c",3`, "3", Number, "3"},
		{CSV, `1,,3`, "2", Null, ""},
		{CSV, `1,2`, "3", Absent, ""},
		{Binary, "\x01\x02\xff\xfe", "0:uint16", Integer, "258"},
		{Binary, "\x01\x02\xff\xfe", "0:uint16:le", Integer, "513"},
		{Binary, "\x01\x02\xff\xfe", "-2:int16", Integer, "-2"},
		{Binary, "\xff\xff\xfe", "0:int24", Integer, "-2"},
		{Binary, "\xff\xff\xff\xff\xff\xff\xff\xff", "0:uint64", Real, "1.8446744073709552e+19"},
		{Binary, "\x00\x00\xac\x41", "0:float32:le", Real, "21.5"},
		{Binary, "\x04", "0.2:bool", Bool, "true"},
		{Binary, "\x04", "0.1:bool", Bool, "false"},
		{Binary, "..abc\x00xx", "2:text", Text, "abc"},
		{Binary, "\x01", "0:uint16", Absent, ""},
	} {
		it, err := take(t, tt.format, tt.data, tt.path)
		if err != nil || it.Kind != tt.kind || it.Word() != tt.want {
			t.Errorf("%v %q at %q: got %v %q, %v, want %v %q", tt.format, tt.data, tt.path, it.Kind, it.Word(), err, tt.kind, tt.want)
		}
	}
}

func TestTakeBroken(t *testing.T) {
	for _, tt := range []struct {
		format     Format
		data, path string
	}{
		{JSON, "", "a"}, {JSON, "{", "a"}, {JSON, `{"a":1}x`, "a"}, {JSON, `{"a":01}`, "a"}, {JSON, `{"a":tru}`, "a"},
		{JSON, `{"a":NaN}`, "a"}, {JSON, `{"a":1,}`, "a"}, {JSON, "{\"a\":\"\xff\"}", "a"}, {JSON, `{"a":"\x"}`, "a"},
		{JSON, strings.Repeat("[", 100000), "a"}, {JSON, "{\"a\":\"\n\"}", "a"},
		{Plain, "\xff\xfe", ""}, {Plain, "21,5", ""}, {Plain, "12:30", ""},
		{Words, "\xff", ""}, {KeyValue, "hello", "a"}, {KeyValue, `a="x`, "a"}, {CSV, "", "1"}, {CSV, `"a`, "1"}, {CSV, `"a"b,c`, "1"},
		{Binary, "\xff\xfe", "0:text"},
	} {
		if it, err := take(t, tt.format, tt.data, tt.path); !errors.Is(err, ErrFormat) {
			t.Errorf("%v %.40q: got %v, %v, want an error", tt.format, tt.data, it.Kind, err)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		format Format
		path   string
		good   bool
	}{
		{JSON, "a..b", false}, {JSON, ".", false}, {JSON, "", true}, {Plain, "a", false}, {KeyValue, "", false},
		{CSV, "0", false}, {CSV, "x", false}, {Binary, "0", false}, {Binary, "0:int12", false}, {Binary, "0:int8:xe", false},
		{Binary, "0.9:bool", false}, {Binary, "0.1:int8", false}, {Binary, "0x10:uint32:le", true}, {Binary, "a:int8", false},
		{Binary, "0:text:0", false}, {Format(99), "", false},
	} {
		if err := CheckPath(tt.format, tt.path); (err == nil) != tt.good {
			t.Errorf("%v %q: %v, want good %v", tt.format, tt.path, err, tt.good)
		}
	}
}

func TestMapping(t *testing.T) {
	m := func(f func(m *Mapping)) Mapping {
		x := NewMapping()
		if f != nil {
			f(&x)
		}
		x.Prepare()
		return x
	}
	tenth := m(func(m *Mapping) { m.Scale = 0.1; m.Unit = "°C" })
	options := m(func(m *Mapping) { m.Options = []Option{{"0", "off"}, {"1", "on"}}; m.Enum = "mode" })
	is := func(t Type) Mapping { return m(func(m *Mapping) { m.Type = t }) }
	for _, tt := range []struct {
		m    Mapping
		it   Item
		want nodes.Value
	}{
		{m(nil), Item{Kind: Number, Raw: []byte("23.50")}, nodes.Quantity(23.5, 2, "")},
		{m(nil), Item{Kind: Number, Raw: []byte("-0")}, nodes.Quantity(0, 0, "")},
		{m(nil), Item{Kind: Number, Raw: []byte("1e3")}, nodes.Quantity(1000, -1, "")},
		{m(nil), Item{Kind: Number, Raw: []byte("12345678901234567890")}, nodes.Quantity(12345678901234567890, 0, "")},
		{m(nil), Item{Kind: Text, Raw: []byte("21.5")}, nodes.String("21.5")},
		{m(nil), Item{Kind: Bool, Raw: []byte("true")}, nodes.Bool(true)},
		{m(nil), Item{Kind: Nested, Raw: []byte("[1]")}, nodes.String("[1]")},
		{m(nil), Item{Kind: Quoted, Raw: []byte(`a\n`)}, nodes.String("a\n")},
		{tenth, Item{Kind: Number, Raw: []byte("217")}, nodes.Quantity(21.7, 1, "°C")},
		{tenth, Item{Kind: Text, Raw: []byte("217.5")}, nodes.Quantity(21.75, 2, "°C")},
		{tenth, Item{Kind: Integer, Int: 3}, nodes.Quantity(0.3, 1, "°C")},
		{tenth, Item{Kind: Real, Float: 5}, nodes.Quantity(0.5, -1, "°C")},
		{m(func(m *Mapping) { m.Decimals = 1; m.Divisor = 3 }), Item{Kind: Number, Raw: []byte("10")}, nodes.Quantity(3.3, 1, "")},
		{options, Item{Kind: Number, Raw: []byte("1")}, nodes.Enum("on", "mode")},
		{options, Item{Kind: Integer, Int: 0}, nodes.Enum("off", "mode")},
		{options, Item{Kind: Number, Raw: []byte("5")}, nodes.Enum("5", "mode")},
		{is(ToInteger), Item{Kind: Number, Raw: []byte("9007199254740993")}, nodes.Int64(9007199254740993)},
		{is(ToInteger), Item{Kind: Number, Raw: []byte("2.0")}, nodes.Int64(2)},
		{is(ToBool), Item{Kind: Text, Raw: []byte("ON")}, nodes.Bool(true)},
		{is(ToBool), Item{Kind: Number, Raw: []byte("0")}, nodes.Bool(false)},
		{m(func(m *Mapping) { m.On = "auf" }), Item{Kind: Text, Raw: []byte("auf")}, nodes.Bool(true)},
		{is(ToText), Item{Kind: Number, Raw: []byte("007")}, nodes.String("007")},
		{is(ToTime), Item{Kind: Number, Raw: []byte("1700000000")}, nodes.DateTime(time.Unix(1700000000, 0))},
	} {
		if got, err := tt.m.Value(&tt.it, nodes.Value{}); err != nil || got != tt.want {
			t.Errorf("%v %q: got %v (%v), %v, want %v", tt.it.Kind, tt.it.Word(), got, got.Kind(), err, tt.want)
		}
	}
	wrong := m(func(m *Mapping) { m.Type = ToNumber; m.Missing = []string{"unavailable", "-127"} })
	for _, tt := range []struct {
		it   Item
		want error
	}{
		{Item{}, ErrAbsent}, {Item{Kind: Null}, ErrMissing}, {Item{Kind: Text, Raw: []byte("unavailable")}, ErrMissing},
		{Item{Kind: Integer, Int: -127}, ErrMissing}, {Item{Kind: Real, Float: math.NaN()}, ErrMissing},
		{Item{Kind: Text, Raw: []byte("high")}, ErrFormat}, {Item{Kind: Bool, Raw: []byte("true")}, ErrFormat},
		{Item{Kind: Number, Raw: []byte("1e999")}, ErrFormat},
	} {
		if got, err := wrong.Value(&tt.it, nodes.Value{}); !errors.Is(err, tt.want) || !got.IsZero() {
			t.Errorf("%v %q: got %v, %v, want %v", tt.it.Kind, tt.it.Word(), got, err, tt.want)
		}
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tt := range []struct {
		text string
		want time.Time
	}{
		{"1772600767", at}, {"1772600767000", at}, {"1772600767000000", at}, {"1772600767000000000", at},
		{"1772600767.25", at.Add(250 * time.Millisecond)},
		{"2026-03-04T05:06:07Z", at}, {"2026-03-04T07:06:07.5+02:00", at.Add(500 * time.Millisecond)},
		{"2026-03-04T05:06:07", at}, {"2026-03-04 05:06:07", at}, {"2026-03-04T06:06:07+0100", at},
		{"yesterday", time.Time{}}, {"-5", time.Time{}}, {"", time.Time{}}, {"1e300", time.Time{}}, {"0001-01-01T00:00:00Z", time.Time{}},
	} {
		it := Item{Kind: Text, Raw: []byte(tt.text)}
		if got, ok := it.Time(); ok == tt.want.IsZero() || ok && !got.Equal(tt.want) {
			t.Errorf("%q: got %v, %v, want %v", tt.text, got, ok, tt.want)
		}
	}
}

func TestOptions(t *testing.T) {
	got, err := ParseOptions("0=off, 1 = on\nx=a=b")
	if err != nil || len(got) != 3 || got[1] != (Option{"1", "on"}) || got[2] != (Option{"x", "a=b"}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"0", "=x", "1=", "1=a,1=b"} {
		if _, err := ParseOptions(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// A value is taken the same way as by gjson, and only out of what encoding/json takes
// as valid.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,"x"]},"c":true}`, `{"a":null}`, `[{"a":1.5e3}]`, `"\ud83d\ude00"`, `{"\u0061":{"b":7}}`, "{\"a\":1}\x00"} {
		f.Add([]byte(s))
	}
	paths := []string{"a", "a.b", "a.b.1", "c", "0.a", ""}
	l, err := NewLayout(JSON, paths)
	if err != nil {
		f.Fatal(err)
	}
	out := make([]Item, len(paths))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := l.Take(data, out)
		if err == nil && !json.Valid(data) {
			t.Fatalf("%q was taken as valid", data)
		}
		if err != nil {
			if json.Valid(data) && strings.ToValidUTF8(string(data), "") == string(data) && !strings.Contains(err.Error(), "nested") {
				t.Fatalf("%q was refused: %v", data, err)
			}
			return
		}
		m := NewMapping()
		for i, p := range paths {
			if v, err := m.Value(&out[i], nodes.Value{}); err == nil && v.IsZero() {
				t.Fatalf("%q: neither value nor error", data)
			}
			if p == "" || strings.Contains(string(data), `\`) { // gjson compares escaped names differently
				continue
			}
			if want := gjson.GetBytes(data, p); want.Exists() != (out[i].Kind != Absent) && !twice(data) {
				t.Fatalf("%q at %q: got %v, gjson %v", data, p, out[i].Kind, want)
			}
		}
	})
}

// twice tells whether a name may occur twice, where gjson looks only into the first
// object of that name.
func twice(data []byte) bool {
	return strings.Count(string(data), `"a"`) > 1 || strings.Count(string(data), `"b"`) > 1 || strings.Count(string(data), `"c"`) > 1
}

func FuzzFormats(f *testing.F) {
	f.Add(uint8(1), []byte("21.5"), "")
	f.Add(uint8(3), []byte("a=1,b=\"x\""), "a")
	f.Add(uint8(4), []byte("1;\"x\";2"), "2")
	f.Add(uint8(5), []byte{1, 2, 3, 4}, "-2:int16:le")
	f.Add(uint8(0), []byte(`{"a":[1,2]}`), "a.#(>1)")
	f.Fuzz(func(t *testing.T, format uint8, data []byte, path string) {
		l, err := NewLayout(Format(format), []string{path})
		if err != nil {
			return
		}
		out := make([]Item, 1)
		if err := l.Take(data, out); err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("%v", err)
			}
			return
		}
		for typ := range typeEnd {
			m := NewMapping()
			m.Type, m.Scale, m.Offset = typ, 0.1, 2
			m.Prepare()
			v, err := m.Value(&out[0], nodes.Value{})
			if (err == nil) == v.IsZero() {
				t.Fatalf("%q as %v: got %v and %v", data, typ, v, err)
			}
			if v.Kind() == nodes.KindDouble && !v.IsNumber() {
				t.Fatalf("%q as %v: %v", data, typ, v)
			}
		}
	})
}

func BenchmarkTake(b *testing.B) {
	doc := []byte(`{"v0":20.01,"v1":21.02,"v2":22.03,"v3":23.04,"v4":24.05,"v5":25.06,"v6":26.07,"v7":27.08,"v8":28.09,"v9":29.10}`)
	paths := []string{"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"}
	l, _ := NewLayout(JSON, paths)
	out := make([]Item, 10)
	m := NewMapping()
	m.Prepare()
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if err := l.Take(doc, out); err != nil {
			b.Fatal(err)
		}
		for i := range out {
			if _, err := m.Value(&out[i], nodes.Value{}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
