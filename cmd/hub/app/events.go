package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/concentrator"
)

type eventsCmd struct {
	Source string        `help:"The data source; that of the devices when left out. The hub's own is Hub." placeholder:"NAME"`
	Since  time.Duration `help:"First those that happened this long ago or later; the hub keeps seven days." placeholder:"1h"`
	N      int           `help:"End after this many events; 0: never." short:"n"`
}

const (
	// eventsLife is how long a hub keeps telling events when this end is silent.
	eventsLife = 10 * time.Minute
	// eventsWaiting is how many events wait to be printed: as many as a hub sends again
	// at most, and some more.
	eventsWaiting = 12_000
)

// eventLine is an event in JSON.
type eventLine struct {
	Time   string `json:"time"`
	Event  string `json:"event"`
	Source string `json:"source"`
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Type   string `json:"type,omitempty"`
	State  string `json:"state,omitempty"`
	OldID  string `json:"oldId,omitempty"` // when renamed
	After  string `json:"after,omitempty"` // id of the sibling before it
}

func (c *eventsCmd) Run(p *program) error {
	if c.Since < 0 || c.N < 0 {
		return usageError{errors.New("a time and a number of events cannot be below 0")}
	}
	return p.until(func(ctx context.Context, s *client) error {
		what := concentrator.Subscription{Source: cmp.Or(c.Source, nodes.DefaultSource), TTL: eventsLife}
		if c.Since > 0 {
			what.Since = time.Now().Add(-c.Since)
		}
		return p.followEvents(ctx, s, what, c.N)
	})
}

// followEvents prints events until ctx ends, the hub is gone, or n were printed (0: no
// limit).
func (p *program) followEvents(ctx context.Context, s *client, what concentrator.Subscription, n int) error {
	list := make(chan nodes.Event, eventsWaiting)
	late := make(chan struct{}, 1)
	take := func(e nodes.Event) {
		select {
		case list <- e:
		default:
			select {
			case late <- struct{}{}:
			default:
			}
		}
	}
	if err := s.nodes.Subscribe(ctx, what, take); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		s.nodes.Unsubscribe(ctx, what.Source) // the hub ends it anyway when we are gone
	}()
	if !p.options.JSON {
		fmt.Fprintf(p.err, "waiting for events of %s; Ctrl-C ends it\n", what.Source)
	}
	layout := "15:04:05.000"
	if !what.Since.IsZero() {
		layout = "2006-01-02 " + layout
	}
	what.Since = time.Time{} // what was sent again is not wanted twice
	renew := time.NewTicker(eventsLife / 2)
	defer renew.Stop()
	for printed := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-s.session.Done():
			return errors.New("the hub has ended")
		case <-late:
			return errors.New("events were lost: this end is slower than the hub. Write them to a file, or see what was missed with --since")
		case <-renew.C:
			if err := s.nodes.Subscribe(ctx, what, take); err != nil {
				return err
			}
		case e := <-list:
			if e.Kind == 0 {
				return errors.New("the hub has gone offline")
			}
			if err := p.printSourceEvent(e, layout); err != nil {
				return err
			}
			if printed++; printed == n {
				return nil
			}
		}
	}
}

func (p *program) printSourceEvent(e nodes.Event, layout string) error {
	i := e.Info
	state := ""
	if e.Kind == nodes.NodeAdded || e.Kind == nodes.NodeUpdated || e.Kind == nodes.NodeStatusChanged {
		state = i.State.String()
	}
	if p.options.JSON {
		return line(p.out, eventLine{e.Time.UTC().Format(timeFormat), e.Kind.String(), cmp.Or(i.Ref.Source, nodes.DefaultSource), i.Ref.ID, i.Name, i.Type, state, e.OldID, e.After})
	}
	text := fmt.Sprintf("%s  %-14s  %s", e.Time.Local().Format(layout), e.Kind, i.Ref.ID)
	if state != "" {
		text += "  " + state
	}
	if e.OldID != "" && e.OldID != i.Ref.ID {
		text += "  before: " + e.OldID
	}
	_, err := fmt.Fprintln(p.out, oneLine(text))
	return err
}
