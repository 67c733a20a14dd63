package xmppface

import (
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// pending are requests of which some were accepted.
type pending []string

func (pending) Hold(nodes.Caller) bool { return true }
func (p pending) Accepted() []string   { return p }

var typedPresence = regexp.MustCompile(`<presence to='([^'@]*)@localhost' type='([a-z]*)'/>`)

// TestNegotiationGoesOn: the connection was lost while the hub and somebody arranged to see
// each other. At the next login the roster shows how far they came; the rest is done.
func TestNegotiationGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name     string
		item     string // of the roster, about ann
		welcome  bool   // by a rule
		accepted bool   // by a decision
		want     string
	}{
		{"done", "subscription='both'", true, false, ""},
		{"we have not asked", "subscription='from'", true, false, "ann subscribe"},
		{"she has not answered", "subscription='from' ask='subscribe'", true, false, "ann subscribe"},
		{"not heard of her", "", true, false, ""},
		{"decided off line", "", true, true, "ann subscribed, ann subscribe"},
		{"our answer was lost, she sees us not", "subscription='to'", true, true, "ann subscribed"},
		{"our answer was lost, hers is to come", "subscription='none' ask='subscribe'", true, true, "ann subscribed"},
		{"decided and done", "subscription='both'", true, true, ""},
		{"access taken away", "subscription='both'", false, false, "ann unsubscribed"},
		{"access taken away, not done", "subscription='from' ask='subscribe'", false, false, "ann unsubscribed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said := make(chan string, 1)
			a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
				same := func(s string) string { return s }
				scram(c, hear, 4096, same, same)
				hear("'>")
				io.WriteString(c, fakeHeader+"<stream:features><bind xmlns='"+nsBind+"'/></stream:features>")
				io.WriteString(c, "<iq type='result' id='"+lastID(hear("</iq>"))+"'><bind xmlns='"+nsBind+"'><jid>user@localhost/hub</jid></bind></iq>")
				id, item := lastID(hear("<query xmlns='"+nsRoster+"'/></iq>")), ""
				if tt.item != "" {
					item = "<item jid='ann@localhost' " + tt.item + "/>"
				}
				io.WriteString(c, "<iq type='result' id='"+id+"'><query xmlns='"+nsRoster+"'>"+item+"</query></iq>")
				said <- hear("</presence>")
				hear("</stream:stream>")
			})
			a.Welcome = func(nodes.Caller) bool { return tt.welcome }
			if tt.accepted {
				a.Requests = pending{"ann@localhost"}
			}
			s, err := Dial(within(t, 5*time.Second), a)
			if err != nil {
				t.Fatal(err)
			}
			start(t, s.Run)
			var got []string
			for _, m := range typedPresence.FindAllStringSubmatch(<-said, -1) {
				got = append(got, m[1]+" "+m[2])
			}
			if got := strings.Join(got, ", "); got != tt.want {
				t.Errorf("said %q, want %q", got, tt.want)
			}
		})
	}
}

// lastID is the id of the last request in what was heard.
func lastID(heard string) string {
	heard = heard[strings.LastIndex(heard, "<iq"):]
	_, id, _ := strings.Cut(heard, " id='")
	id, _, _ = strings.Cut(id, "'")
	return id
}
