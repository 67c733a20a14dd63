package ping

import (
	"context"
	"encoding/xml"
	"errors"
	"testing"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

func TestServe(t *testing.T) {
	for _, tt := range []struct{ typ, name, want string }{
		{"get", "ping", ""},
		{"set", "ping", "feature-not-implemented"},
		{"get", "pong", "feature-not-implemented"},
	} {
		answers := 0
		New().Serve(&ext.Request{Type: tt.typ, Payload: &wire.Element{Name: xml.Name{Space: NS, Local: tt.name}},
			Respond: func(b []byte, err *ext.StanzaError) {
				answers++
				got := ""
				if err != nil {
					got = err.Condition
				}
				if got != tt.want || len(b) > 0 {
					t.Errorf("%s %s: %q %s, want %q", tt.typ, tt.name, got, b, tt.want)
				}
			}})
		if answers != 1 {
			t.Errorf("%s %s: %d answers", tt.typ, tt.name, answers)
		}
	}
}

// asked is a link on which every request ends with the same error.
type asked struct {
	ext.Link
	err error
}

func (a asked) Ask(context.Context, string, string, []byte) (*wire.Element, error) {
	return nil, a.err
}

func TestSend(t *testing.T) {
	for _, tt := range []struct {
		err error
		ok  bool
	}{
		{nil, true},
		{&ext.StanzaError{Condition: "feature-not-implemented"}, true},
		{&ext.StanzaError{Condition: "service-unavailable"}, false},
		{errors.New("lost"), false},
	} {
		if _, err := Send(context.Background(), asked{err: tt.err}, "a@b/c"); (err == nil) != tt.ok {
			t.Errorf("%v: got %v", tt.err, err)
		}
	}
}
