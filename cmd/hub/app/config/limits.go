package config

import (
	"strconv"

	"github.com/fieldhub/hub/cmd/hub/app/strict"
	"github.com/fieldhub/hub/xmppface/events"
)

// Limits is what each account may ask of the hub, whatever number of clients it has.
type Limits struct {
	Requests      int // a second
	Waiting       int // requests that wait for their turn
	AnswerBytes   int // of answers, a second
	Subscriptions int // of the values of nodes
}

// DefaultLimits are for someone who manages a large plant.
var DefaultLimits = Limits{Requests: 1000, Waiting: 256, AnswerBytes: 8 << 20, Subscriptions: events.DefaultMaxEach}

func (c *Config) limits(v strict.Value) {
	c.Limits = DefaultLimits
	f := v.Fields("limits", "requests", "waiting", "answer_bytes", "subscriptions")
	for _, x := range []struct {
		key         string
		least, most int
		to          *int
	}{
		{"requests", 1, 1_000_000, &c.Limits.Requests},
		{"waiting", 1, 2000, &c.Limits.Waiting},
		{"answer_bytes", 10_000, 1 << 30, &c.Limits.AnswerBytes},
		{"subscriptions", 1, events.DefaultMaxAll, &c.Limits.Subscriptions},
	} {
		s, ok := f[x.key]
		if !ok {
			continue
		}
		n, err := strconv.Atoi(s.Text(x.key))
		if err != nil || n < x.least || n > x.most {
			s.Problem("%q is no such limit; write %s as a number from %d to %d", s.Text(x.key), x.key, x.least, x.most)
			continue
		}
		*x.to = n
	}
}
