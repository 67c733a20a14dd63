package form

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	// One element a line, for those who read the file.
	text := strings.ReplaceAll(string(got), "><", ">\n<") + "\n"
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", name, text, want)
	}
	if _, err := wire.Parse(string(got)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func unit() *nodes.Form {
	return &nodes.Form{
		Title: "Modbus unit", Instructions: "One for each address on the line.",
		Params: []nodes.Param{
			{ID: "NodeId", Page: "Identity", Label: "Node id", Kind: nodes.KindString, Pattern: `[^/]+`, Description: "Unique <here>."},
			{ID: "UnitId", Page: "Modbus", Label: "Unit", Kind: nodes.KindInt32, Required: true, Min: nodes.Int32(0), Max: nodes.Int32(247)},
			{ID: "Interval", Page: "Modbus", Section: "Polling", Label: "Poll interval", Kind: nodes.KindDuration, Min: nodes.Duration(0, 10*time.Millisecond)},
			{ID: "Order", Page: "Modbus", Section: "Format", Label: "Byte order", Kind: nodes.KindEnum, Options: []nodes.Option{{Value: "ABCD", Label: "big endian"}, {Value: "CDAB"}}},
			{ID: "Scale", Page: "Modbus", Section: "Format", Label: "Scale", Kind: nodes.KindDouble},
			{ID: "MaxAge", Page: "Modbus", Section: "Polling", Label: "Age", Kind: nodes.KindInt64},
			{ID: "Enabled", Label: "Enabled", Kind: nodes.KindBool},
			{ID: "Note", Label: "Note", Kind: nodes.KindString, Multi: true},
			{ID: "Password", Label: "Password", Kind: nodes.KindString, Secret: true, Required: true},
			{ID: "Since", Label: "Since", Kind: nodes.KindDateTime, ReadOnly: true},
			{ID: "Day", Label: "Day", Kind: nodes.KindDate},
			{ID: "At", Label: "At", Kind: nodes.KindTime},
			{ID: "Color", Label: "Colour", Kind: nodes.KindColor},
		},
		Values: nodes.Params{
			"UnitId": nodes.Int32(7), "Interval": nodes.Duration(0, 1500*time.Millisecond), "Order": nodes.Enum("CDAB", "Order"),
			"Scale": nodes.Quantity(0.10, 2, ""), "MaxAge": nodes.Int64(1 << 40), "Enabled": nodes.Bool(true),
			"Note": nodes.String("first\nsecond & third"), "Password": nodes.String("geheim"),
			"Since": nodes.DateTime(time.Date(2026, 8, 20, 10, 11, 12, 345e6, time.UTC)),
			"Day":   nodes.Date(time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC)), "At": nodes.TimeOfDay(90 * time.Minute), "Color": nodes.Color(255, 128, 0, 255),
		},
	}
}

func TestAppend(t *testing.T) {
	golden(t, "form.xml", Append(nil, unit()))
	golden(t, "control.xml", AppendControl(nil, &nodes.Form{Params: []nodes.Param{{ID: "Pump", Kind: nodes.KindBool}}}))
	golden(t, "empty.xml", Append(nil, &nodes.Form{}))
	golden(t, "wrong.xml", AppendWrong(nil, &nodes.Form{Params: unit().Params[:2], Values: unit().Values},
		Texts{"UnitId": "300", "NodeId": "a & b"}, map[string]string{"UnitId": "write a whole number from 0 to 247", "Foo": "no such parameter"}))
	golden(t, "submit.xml", AppendSubmit(nil, nodes.Params{"UnitId": nodes.Int32(3), "Note": nodes.String("a\nb"),
		"Interval": nodes.Duration(0, 2*time.Second), "Empty": nodes.Value{}, "Scale": nodes.Quantity(0.5, 2, "")}))
}

func TestNoSecretLeaves(t *testing.T) {
	f := unit()
	out := string(AppendWrong(nil, f, Texts{"Password": "geheim2"}, map[string]string{"UnitId": "wrong"})) +
		string(Append(nil, f)) + string(AppendControl(nil, f))
	if strings.Contains(out, "geheim") {
		t.Errorf("a secret is in the form: %s", out)
	}
}

func TestWrongIsBounded(t *testing.T) {
	x := "<x xmlns='jabber:x:data' type='submit'>"
	for i := range 1900 {
		x += "<field var='f" + strings.Repeat("&apos;", 10) + param.Format(nodes.Param{}, nodes.Int32(int32(i))) + "'><value>1</value></field>"
	}
	x += "<field var='NodeId'><value>" + strings.Repeat("'", 60000) + "</value></field></x>"
	s, err := ParseSubmit(parse(t, x))
	if err != nil {
		t.Fatal(err)
	}
	_, wrong := s.Read(unit())
	if n := len(AppendWrong(nil, unit(), s, wrong)); len(wrong) != 1900 || n > 32<<10 {
		t.Errorf("%d wrong fields, %d bytes", len(wrong), n)
	}
}

func TestRoundTrip(t *testing.T) {
	want := unit()
	r, err := Parse(parse(t, string(Append(nil, want))))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Params {
		if want.Params[i].Page == "" {
			want.Params[i].Page = general
		}
	}
	if !reflect.DeepEqual(r.Params, want.Params) || r.Title != want.Title || r.Instructions != want.Instructions {
		t.Errorf("got\n%+v\nwant\n%+v", r.Params, want.Params)
	}
	delete(want.Values, "Password")
	if !reflect.DeepEqual(r.Values, want.Values) {
		t.Errorf("got\n%v\nwant\n%v", r.Values, want.Values)
	}
	// What a client submits unchanged is read as it was.
	s, err := ParseSubmit(parse(t, string(AppendSubmit(nil, r.Submission(r.Values)))))
	if err != nil {
		t.Fatal(err)
	}
	given, wrong := s.Read(unit())
	delete(want.Values, "Since") // read-only
	if len(wrong) > 0 || !reflect.DeepEqual(given, want.Values) {
		t.Errorf("got %v, wrong %v", given, wrong)
	}
}

func parse(t testing.TB, doc string) *wire.Element {
	t.Helper()
	e, err := wire.Parse(doc)
	if err != nil {
		t.Fatalf("%v: %.200s", err, doc)
	}
	return e
}

// A form as the deployed clients and servers write it.
func TestParseForeign(t *testing.T) {
	r, err := Parse(parse(t, `<x xmlns='jabber:x:data' xmlns:xdv='http://jabber.org/protocol/xdata-validate' xmlns:xdl='http://jabber.org/protocol/xdata-layout'>
		<title>Host</title><instructions>Fill in.</instructions><instructions>Then submit.</instructions>
		<xdl:page label='Network'><xdl:text>Where</xdl:text><xdl:section label='Address'><xdl:section label='TCP'><xdl:fieldref var='Port'/></xdl:section></xdl:section><xdl:reportedref/></xdl:page>
		<field var='FORM_TYPE' type='hidden'><value>urn:x</value></field>
		<field type='fixed'><value>Read this.</value></field>
		<field var='Port' type='text-single' label='Port'><required/><value>502</value><xdv:validate datatype='xs:int'><range min='0' max='65535'/></xdv:validate></field>
		<field var='Tls' type='boolean'><value>1</value></field>
		<field var='Mode' type='list-single'><option label='A'><value>A</value></option><option label='second'><value>B</value></option><value>C</value></field>
		<field var='Odd' type='text-single'><value>many</value><xdv:validate datatype='xs:int'><basic/></xdv:validate></field>
		<field var='Kind' type='text-single'><value>x</value><xdv:validate datatype='xs:token'><xdv:regex>[a-z]</xdv:regex></xdv:validate></field>
		<field var='Version'><value>1.50</value><xdv:validate datatype='xsd:double'><xdv:range min='' max='9'/></xdv:validate><notSame xmlns='urn:xmpp:xdata:dynamic'/></field>
		<field var='Port'><value>again</value></field>
		<field><value>nameless</value></field>
		<field var='Ids' type='text-multi'><value>a</value><value>b</value></field>
		<field var='Uri' type='text-single'><value>u</value><xdd:readOnly xmlns:xdd='urn:xmpp:xdata:dynamic'/><xdd:error xmlns:xdd='urn:xmpp:xdata:dynamic'>Bad.</xdd:error></field>
		</x>`))
	if err != nil {
		t.Fatal(err)
	}
	want := []nodes.Param{
		{ID: "Port", Page: "Network", Section: "Address, TCP", Label: "Port", Kind: nodes.KindInt32, Required: true, Min: nodes.Int32(0), Max: nodes.Int32(65535)},
		{ID: "Tls", Kind: nodes.KindBool},
		{ID: "Mode", Kind: nodes.KindEnum, Options: []nodes.Option{{Value: "A"}, {Value: "B", Label: "second"}}},
		{ID: "Odd", Kind: nodes.KindInt32},
		{ID: "Kind", Kind: nodes.KindString, Pattern: "[a-z]"},
		{ID: "Version", Kind: nodes.KindDouble, Max: nodes.Quantity(9, -1, "")},
		{ID: "Ids", Kind: nodes.KindString, Multi: true},
		{ID: "Uri", Kind: nodes.KindString, ReadOnly: true},
	}
	if !reflect.DeepEqual(r.Params, want) {
		t.Errorf("got\n%+v\nwant\n%+v", r.Params, want)
	}
	values := nodes.Params{"Port": nodes.Int32(502), "Tls": nodes.Bool(true), "Mode": nodes.Enum("C", "Mode"), "Odd": nodes.String("many"),
		"Kind": nodes.String("x"), "Version": nodes.Quantity(1.5, 2, ""), "Ids": nodes.String("a\nb"), "Uri": nodes.String("u")}
	if !reflect.DeepEqual(r.Values, values) {
		t.Errorf("got %v, want %v", r.Values, values)
	}
	if r.Wrong["Uri"] != "Bad." || r.Title != "Host" || r.Instructions != "Fill in.\nThen submit." {
		t.Errorf("wrong %v, title %q, instructions %q", r.Wrong, r.Title, r.Instructions)
	}
	sub := r.Submission(r.Values)
	if _, sent := sub["Version"]; sent {
		t.Error("an unedited notSame field is submitted")
	}
	if _, sent := sub["Uri"]; sent {
		t.Error("a read-only field is submitted")
	}
	if sub["FORM_TYPE"].Text() != "urn:x" {
		t.Error("a hidden field is not submitted")
	}
}

func TestRead(t *testing.T) {
	f := unit()
	for _, c := range []struct {
		name, fields string
		given        nodes.Params
		wrong        string // "id: start of message"
	}{
		{"partial", "<field var='UnitId'><value>3</value></field>", nodes.Params{"UnitId": nodes.Int32(3)}, ""},
		{"nothing", "", nodes.Params{}, ""},
		{"with types", "<field var='Enabled' type='boolean'><value>0</value></field>", nodes.Params{"Enabled": nodes.Bool(false)}, ""},
		{"word", "<field var='Enabled'><value>TRUE</value></field>", nodes.Params{"Enabled": nodes.Bool(true)}, ""},
		{"emptied", "<field var='Scale'><value/></field><field var='MaxAge'/>", nodes.Params{"Scale": {}, "MaxAge": {}}, ""},
		{"empty secret", "<field var='Password'><value/></field>", nodes.Params{}, ""},
		{"secret", "<field var='Password'><value>x</value></field>", nodes.Params{"Password": nodes.String("x")}, ""},
		{"lines", "<field var='Note'><value>a</value><value>b</value></field>", nodes.Params{"Note": nodes.String("a\nb")}, ""},
		{"lines for one", "<field var='NodeId'><value>a</value><value>b</value></field>", nodes.Params{}, "NodeId: holds the control"},
		{"read-only as it was", "<field var='Since'><value>2026-08-20T10:11:12.345Z</value></field>", nodes.Params{}, ""},
		{"read-only changed", "<field var='Since'><value>2027-08-20T10:11:12.345Z</value></field>", nodes.Params{}, "Since: cannot be changed"},
		{"out of range", "<field var='UnitId'><value>300</value></field>", nodes.Params{}, "UnitId: 300 is out of range"},
		{"no number", "<field var='UnitId'><value>many</value></field>", nodes.Params{}, "UnitId: \"many\": write a whole number"},
		{"overflow", "<field var='UnitId'><value>99999999999999999999</value></field>", nodes.Params{}, "UnitId: "},
		{"not a number", "<field var='Scale'><value>NaN</value></field>", nodes.Params{}, "Scale: "},
		{"no option", "<field var='Order'><value>DCBA</value></field>", nodes.Params{}, "Order: \"DCBA\" is unknown: write one of ABCD, CDAB"},
		{"unknown", "<field var='Unitid'><value>1</value></field>", nodes.Params{}, "Unitid: no such parameter; did you mean UnitId?"},
		{"fixed", "<field type='fixed'><value>x</value></field><reported/>", nodes.Params{}, ""},
	} {
		s, err := ParseSubmit(parse(t, "<x xmlns='jabber:x:data' type='submit'>"+c.fields+"</x>"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		given, wrong := s.Read(f)
		if !reflect.DeepEqual(given, c.given) {
			t.Errorf("%s: got %v, want %v", c.name, given, c.given)
		}
		id, start, bad := strings.Cut(c.wrong, ": ")
		if bad && (len(wrong) != 1 || !strings.HasPrefix(wrong[id], start)) || !bad && len(wrong) > 0 {
			t.Errorf("%s: wrong %q, want %s", c.name, wrong, c.wrong)
		}
	}
}

func TestParseSubmitRefuses(t *testing.T) {
	many := strings.Builder{}
	for i := range MaxFields + 1 {
		many.WriteString("<field var='f" + nodes.Int32(int32(i)).String() + "'/>")
	}
	for _, c := range []struct{ name, x, want string }{
		{"cancelled", "<x xmlns='jabber:x:data' type='cancel'/>", ErrCancelled.Error()},
		{"a result", "<x xmlns='jabber:x:data' type='result'/>", `the form has the type "result"; write type='submit'`},
		{"nameless", "<x xmlns='jabber:x:data' type='submit'><field><value>1</value></field></x>", "a field of the form has no name"},
		{"twice", "<x xmlns='jabber:x:data' type='submit'><field var='a'/><field var='a'/></x>", `the form has the field "a" twice`},
		{"many", "<x xmlns='jabber:x:data' type='submit'>" + many.String() + "</x>", "the form has more than 2000 fields"},
	} {
		_, err := ParseSubmit(parse(t, c.x))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	for doc, want := range map[string]bool{
		"<a xmlns='urn:a'><b/><x xmlns='jabber:x:data'/></a>": true,
		"<a xmlns='urn:a'><x/></a>":                           true,
		"<a xmlns='urn:a'><x xmlns='urn:b'/></a>":             false,
		"<a xmlns='urn:a'/>":                                  false,
	} {
		if got := Find(parse(t, doc)) != nil; got != want {
			t.Errorf("%s: %v", doc, got)
		}
	}
}

// Whatever is read can be written, and what was written reads the same.
func FuzzParse(f *testing.F) {
	f.Add(string(Append(nil, unit())))
	f.Add(string(AppendSubmit(nil, unit().Values)))
	f.Add(`<x xmlns='jabber:x:data'><page label='p'><section label='s'><fieldref var='a'/></section></page><field var='a' type='list-single'><option><value>1</value></option></field></x>`)
	f.Fuzz(func(t *testing.T, doc string) {
		x, err := wire.Parse(doc)
		if err != nil {
			t.Skip()
		}
		if s, err := ParseSubmit(x); err == nil {
			form := unit()
			given, wrong := s.Read(form)
			for id := range given {
				if wrong[id] != "" {
					t.Errorf("%q is given and wrong", id)
				}
			}
			if _, err := wire.Parse(string(AppendWrong(nil, form, s, wrong))); err != nil {
				t.Errorf("the form in the error: %v", err)
			}
		}
		r, err := Parse(x)
		if err != nil {
			return
		}
		first := string(Append(nil, &r.Form))
		back, err := wire.Parse(first)
		if err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		again, err := Parse(back)
		if err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		if second := string(Append(nil, &again.Form)); second != first {
			t.Errorf("written, read and written again:\n%s\n%s", first, second)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	f, buf := unit(), make([]byte, 0, 16<<10)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], f)
	}
	b.SetBytes(int64(len(buf)))
}
