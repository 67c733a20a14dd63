package config

import (
	"strings"
	"time"

	"github.com/fieldhub/hub/cmd/hub/app/strict"
)

// DefaultClockLimit is by how much the clock may be off before that is told.
const DefaultClockLimit = time.Second

// Clock is another clock that the machine's is compared with.
type Clock struct {
	Source string        // address of whoever serves the time
	Every  time.Duration // 0: as the measuring has it
	Limit  time.Duration // a larger difference is a warning
}

func (c *Config) clock(v strict.Value) *Clock {
	f := v.Fields("clock", "source", "every", "limit")
	out := &Clock{Limit: DefaultClockLimit}
	if s, ok := f["source"]; !ok {
		v.Problem("source is missing; write the address of who serves the time, e.g. source: clock.example.org")
	} else if out.Source = s.Text("source"); !isAddress(out.Source) {
		s.Problem("%q is no address; write a domain, name@domain/resource, or another address that serves the time", out.Source)
	}
	if c.XMPP == nil {
		v.Problem("the time is asked for through the broker; write xmpp with the hub's account, or leave clock out")
	}
	length := func(key string, least, most time.Duration, to *time.Duration) {
		s, ok := f[key]
		if !ok {
			return
		}
		d, err := time.ParseDuration(s.Text(key))
		if err != nil || d < least || d > most {
			s.Problem("%q is no such time; write %s as %v to %v", s.Text(key), key, least, most)
		}
		*to = d
	}
	length("every", 10*time.Second, 24*time.Hour, &out.Every)
	length("limit", time.Millisecond, time.Hour, &out.Limit)
	return out
}

// isAddress tells whether s is an address of any kind.
func isAddress(s string) bool {
	s, resource, full := strings.Cut(s, "/")
	return (isBare(s) || isDomain("@"+s)) && (!full || resource != "" && len(resource) <= 1023)
}
