package wire

import (
	"reflect"
	"testing"
)

func TestElementAppend(t *testing.T) {
	for _, tt := range []struct{ doc, want string }{
		{`<a xmlns='u' b='1'/>`, `<a xmlns='u' b='1'/>`},
		{`<p:a xmlns:p='u'><p:b/><c xmlns='v'>x&lt;</c></p:a>`, `<a xmlns='u'><b/><c xmlns='v'>x&lt;</c></a>`},
		{`<a xmlns='u' xml:lang='sv' q:z='&apos;' xmlns:q='w'><b xmlns=''/></a>`,
			`<a xmlns='u' xml:lang='sv' xmlns:n1='w' n1:z='&apos;'><b xmlns=''/></a>`},
	} {
		e, err := Parse(tt.doc)
		if err != nil {
			t.Fatal(err)
		}
		got := string(e.Append(nil, ""))
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.doc, got, tt.want)
		}
		again, err := Parse(got)
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s: parsed again: %+v, %v; want %+v", got, again, err, e)
		}
	}
}
