package config

import (
	"strconv"

	"github.com/fieldhub/hub/cmd/hub/app/strict"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// Limits is what each account may ask of the hub, whatever number of clients it has.
type Limits struct {
	Requests    int // a second
	Waiting     int // requests that wait for their turn
	AnswerBytes int // of answers, a second
	Unsent      int // bytes of answers that wait until the connection takes them
	Shares      xmppface.Shares
}

// DefaultLimits are for someone who manages a large plant.
var DefaultLimits = Limits{Requests: 1000, Waiting: 256, AnswerBytes: 8 << 20, Unsent: 512 << 10, Shares: xmppface.Shares{
	Subscriptions:       events.DefaultMaxEach,
	SourceSubscriptions: concentrator.MaxSubscriptionsEach,
	Sniffers:            concentrator.MaxSniffersEach,
	Queries:             concentrator.MaxQueriesEach,
	Readouts:            sensordata.MaxReadoutsEach,
}}

func (c *Config) limits(v strict.Value) {
	c.Limits = DefaultLimits
	f := v.Fields("limits", "requests", "waiting", "answer_bytes", "answers_waiting", "subscriptions", "source_subscriptions", "sniffers", "queries", "readouts")
	for _, x := range []struct {
		key         string
		least, most int
		to          *int
	}{
		{"requests", 1, 1_000_000, &c.Limits.Requests},
		{"waiting", 1, 2000, &c.Limits.Waiting},
		{"answer_bytes", 10_000, 1 << 30, &c.Limits.AnswerBytes},
		{"answers_waiting", 10_000, 1 << 20, &c.Limits.Unsent},
		{"subscriptions", 1, events.DefaultMaxAll, &c.Limits.Shares.Subscriptions},
		{"source_subscriptions", 1, concentrator.MaxSubscriptions, &c.Limits.Shares.SourceSubscriptions},
		{"sniffers", 1, concentrator.MaxSniffers, &c.Limits.Shares.Sniffers},
		{"queries", 1, concentrator.MaxQueries, &c.Limits.Shares.Queries},
		{"readouts", 1, sensordata.MaxReadouts, &c.Limits.Shares.Readouts},
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
