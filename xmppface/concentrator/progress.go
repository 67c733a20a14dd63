package concentrator

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

const (
	// soonFails is how long the answer waits for a query that may fail at once: an
	// error of the request says more than a query that began and broke off.
	soonFails = 250 * time.Millisecond
	// gatherFindings is how long what is found after a message waits for more.
	gatherFindings = 50 * time.Millisecond
	// farewell is how long the last message may take when the hub stops.
	farewell = 500 * time.Millisecond
)

// put spells a finding into the buffer, and waits while the receiver is slow.
func (q *query) put(ctx context.Context, f nodes.Finding) error {
	for f != nil {
		q.mu.Lock()
		part, rest, err := q.report.spell(nil, f)
		q.mu.Unlock()
		if err != nil {
			return nodes.Errorf(nodes.Internal, "", q.ref, err.Error())
		}
		if err := q.add(ctx, part); err != nil {
			return err
		}
		f = rest
	}
	return ctx.Err()
}

func (q *query) add(ctx context.Context, part []byte) error {
	for {
		q.mu.Lock()
		if ctx.Err() != nil {
			q.missed = true
			q.mu.Unlock()
			return ctx.Err()
		}
		if fits := len(q.buf) == 0 || len(q.buf)+len(part) <= maxBatch; fits {
			q.buf = append(q.buf, part...)
			q.mu.Unlock()
			signal(q.wake)
			return nil
		}
		q.mu.Unlock()
		signal(q.filled)
		select {
		case <-q.room:
		case <-ctx.Done():
		}
	}
}

// take empties the buffer.
func (q *query) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buf
	q.buf = nil
	for _, c := range []chan struct{}{q.wake, q.filled} {
		select {
		case <-c:
		default:
		}
	}
	signal(q.room)
	return b
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// runQuery runs a query to its end: it answers the request, and sends what is found
// and the end.
func (s *Server) runQuery(hub context.Context, c *call, q *query) {
	defer s.removeQuery(q.key, q)
	ctx := q.begin(hub)
	defer q.cancel(nil)
	done := s.find(ctx, q)
	// It may fail before it has found anything.
	var err error
	ended := false
	soon := time.NewTimer(soonFails)
	defer soon.Stop()
	select {
	case err = <-done:
		ended = true
	case <-q.wake:
	case <-soon.C:
	case <-ctx.Done():
	}
	found := q.take()
	if ended && err != nil && len(found) == 0 && ctx.Err() == nil {
		s.removeQuery(q.key, q)
		s.finish(c, nil, q.in.failure(err))
		return
	}
	s.finish(c, nil, nil)
	s.report(ctx, hub, q, found, done, ended, err)
}

// find begins to run a query; how it ended comes by the channel.
func (s *Server) find(ctx context.Context, q *query) <-chan error {
	done := make(chan error, 1)
	go func() {
		done <- s.backend.Query(ctx, q.who, q.ref, q.in.command.ID, q.in.params, func(f nodes.Finding) error { return q.put(ctx, f) })
	}()
	return done
}

// report sends what a query finds, after what was found already, and how it ended. Its
// own life ends with ctx, the hub's with hub.
func (s *Server) report(ctx, hub context.Context, q *query, found []byte, done <-chan error, ended bool, err error) {
	start := time.Now()
	out := &progress{query: q}
	rest := append([]byte("<queryStarted/>"), found...)
	for !ended {
		if len(rest) > 0 && ctx.Err() == nil {
			if why := out.send(ctx, rest, MaxStall); why == nil {
				rest = nil
			} else {
				q.end(why)
			}
		}
		var more []byte
		more, ended, err = q.await(ctx, done)
		if len(rest)+len(more) > maxPart {
			rest = nil // only what nobody takes any more
		}
		rest = append(rest, more...)
	}
	why := context.Cause(ctx)
	out.finish(hub, rest, err, why)
	s.log.Debug("query ended", "node", q.ref.String(), "command", q.in.command.ID, "by", q.who.String(),
		"took", time.Since(start).Round(time.Millisecond), "messages", out.number, "err", err, "why", why)
}

// await waits for something to send: a moment, so that what is found in quick
// succession travels together, and then until there is something or the query has
// ended.
func (q *query) await(ctx context.Context, done <-chan error) (found []byte, ended bool, err error) {
	moment := time.NewTimer(gatherFindings)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-q.filled:
	case err = <-done:
		ended = true
	case <-ctx.Done():
	}
	if !ended {
		select {
		case <-q.wake:
		case err = <-done:
			ended = true
		case <-ctx.Done():
			err, ended = <-done, true
		}
	}
	return q.take(), ended, err
}

// progress numbers and sends the messages of a query.
type progress struct {
	query  *query
	number int // of the last message
}

// send sends a message with these elements. The error is why the query ends.
func (p *progress) send(ctx context.Context, elements []byte, most time.Duration) error {
	q := p.query
	b := append(make([]byte, 0, len(q.head)+len(elements)+64), q.head...)
	b = append(strconv.AppendInt(b, int64(p.number+1), 10), "'>"...)
	b = append(append(b, elements...), "</queryProgress>"...)
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err := q.key.link.Tell(ctx, q.who.Full, b)
	switch {
	case err == nil:
		p.number++
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errSlow
	}
	return err
}

// finish sends what is left and how the query ended: queryDone when all was found,
// else queryAborted, after a message that says why unless it was asked for.
func (p *progress) finish(hub context.Context, rest []byte, err, why error) {
	q, most, reason := p.query, MaxStall, ""
	q.mu.Lock()
	complete := err == nil && !q.missed
	end := q.report.close(nil)
	q.mu.Unlock()
	stopping := hub.Err() != nil
	if stopping {
		hub, most = context.WithoutCancel(hub), farewell
	}
	switch {
	case why == errPeerGone:
		return
	case complete, why == errAborted:
	case why == errSlow:
		reason, most = "The query was ended: "+why.Error()+".", farewell
	case stopping:
		reason = "The hub is stopping."
	case why != nil: // a message could not be sent
		return
	default:
		reason = ext.Reason(err)
	}
	if reason != "" {
		end = appendQueryMessage(end, typeException, remarkLevels[nodes.SeverityError], reason)
	}
	if complete {
		end = append(end, "<queryDone/>"...)
	} else {
		end = append(end, "<queryAborted/>"...)
	}
	if len(rest)+len(end) > maxPart {
		if p.send(hub, rest, most) != nil {
			return
		}
		rest = nil
	}
	_ = p.send(hub, append(rest, end...), most) // who went meanwhile needs no end
}
