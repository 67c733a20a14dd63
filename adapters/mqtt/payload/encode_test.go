package payload

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func TestEncode(t *testing.T) {
	with := func(f func(m *Mapping)) Mapping {
		m := NewMapping()
		f(&m)
		m.Prepare()
		return m
	}
	plain := with(func(*Mapping) {})
	for _, tt := range []struct {
		m          Mapping
		v          nodes.Value
		text, json string
	}{
		{plain, nodes.Quantity(21.5, 2, ""), "21.5", "21.5"},
		{with(func(m *Mapping) { m.Decimals = 2 }), nodes.Double(21.5), "21.50", "21.50"},
		{with(func(m *Mapping) { m.Scale = 0.1 }), nodes.Double(21.7), "217", "217"},
		{with(func(m *Mapping) { m.Scale, m.Offset = 1.8, 32 }), nodes.Double(212), "100", "100"},
		{plain, nodes.Int64(9007199254740993), "9007199254740993", "9007199254740993"},
		{plain, nodes.Bool(true), "true", "true"},
		{with(func(m *Mapping) { m.On, m.Off = "ON", "0" }), nodes.Bool(true), "ON", `"ON"`},
		{with(func(m *Mapping) { m.On, m.Off = "ON", "0" }), nodes.Bool(false), "0", "0"},
		{with(func(m *Mapping) { m.Options = []Option{{"a", "auto"}, {"1", "manual"}} }), nodes.Enum("auto", "mode"), "a", `"a"`},
		{with(func(m *Mapping) { m.Options = []Option{{"a", "auto"}, {"1", "manual"}} }), nodes.Enum("manual", "mode"), "1", "1"},
		{plain, nodes.String(`say "<hi>"`), `say "<hi>"`, `"say \"<hi>\""`},
	} {
		text, json, err := tt.m.Encode(tt.v)
		if err != nil || text != tt.text || json != tt.json {
			t.Errorf("%v: got %q, %q, %v, want %q, %q", tt.v, text, json, err, tt.text, tt.json)
		}
	}
	if _, _, err := plain.Encode(nodes.Value{}); err == nil {
		t.Error("no value: no error")
	}
}

func TestTemplate(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		format     Format
		path, want string
	}{
		{JSON, "", "7"}, {JSON, "a.b", `{"a":{"b":7}}`}, {Plain, "", "7"}, {KeyValue, "k", "k=7"},
		{JSON, "a.0", ""}, {JSON, "a.#", ""}, {CSV, "2", ""}, {Binary, "0:int8", ""},
	} {
		got, ok := Template(tt.format, tt.path)
		if ok != (tt.want != "") || ok && Fill(got, "7", "7", "x", at) != tt.want {
			t.Errorf("%v %q: got %q, %v, want %q", tt.format, tt.path, got, ok, tt.want)
		}
	}
	if got, want := Fill(`{"a":{json},"v":"{value}","id":"{id}","t":"{time}","u":{unix},"{x}":1}`, "on", `"on"`, "7f", at),
		`{"a":"on","v":"on","id":"7f","t":"2026-01-02T03:04:05Z","u":1767323045,"{x}":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What is encoded is read back as the same value.
func FuzzEncode(f *testing.F) {
	f.Add(21.5, 0.1, 0.0, "x")
	f.Add(-3.0, 1.8, 32.0, `a"\`)
	f.Fuzz(func(t *testing.T, v, scale, offset float64, text string) {
		m := NewMapping()
		m.Scale, m.Offset = scale, offset
		m.Prepare()
		if raw, asJSON, err := m.Encode(nodes.Double(v)); err == nil {
			if it, err := take(t, JSON, asJSON, ""); err != nil || it.Kind != Number || it.Word() != raw {
				t.Fatalf("%v: %s is no number: %v", v, asJSON, err)
			}
		}
		_, asJSON, err := m.Encode(nodes.String(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := take(t, JSON, asJSON, ""); err != nil {
			t.Fatalf("%q: %v", asJSON, err)
		}
	})
}
