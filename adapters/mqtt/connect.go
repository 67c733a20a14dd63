package mqtt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/nodes"
)

// connect keeps a connection until ctx ends.
func (b *broker) connect(ctx context.Context) {
	pause := b.timing.first
	short := 0 // connections in a row that the broker closed at once
	for ctx.Err() == nil {
		b.mu.Lock()
		cfg, epoch := b.cfg.linkConfig, b.epoch
		b.mu.Unlock()
		cfg.clientID = b.clientID(cfg.clientID)
		began := time.Now()
		up, err := b.session(ctx, &cfg, epoch)
		if ctx.Err() != nil {
			return
		}
		if err == nil { // other settings
			pause = b.timing.first
			continue
		}
		if up && time.Since(began) > max(b.timing.lost, 2*pause) {
			pause, short = b.timing.first, 0
		} else if up {
			short++
		}
		text := explain(&cfg, err)
		if short >= 3 {
			text += fmt.Sprintf(". It has closed %d connections in a row: another client may use the client id %s", short, cfg.clientID)
		}
		b.lost(&cfg, text, up && short < 2)
		wait := pause/2 + mrand.N(pause)
		b.pause(ctx, wait, epoch)
		pause = min(2*pause, b.timing.last)
	}
}

// pause waits before the next attempt; changed settings are tried at once.
func (b *broker) pause(ctx context.Context, wait time.Duration, epoch int) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-b.relink:
			b.mu.Lock()
			other := b.epoch != epoch
			b.mu.Unlock()
			if other {
				return
			}
		}
	}
}

// lost takes note that there is no connection. When it was good before, values stay
// current for a little while, since it may be back soon.
func (b *broker) lost(cfg *linkConfig, text string, mild bool) {
	b.mu.Lock()
	first := b.stats.lastErr != text
	b.stats.lastErr = text
	if mild && b.down == nil && time.Since(b.since) < b.timing.lost {
		b.mu.Unlock()
	} else {
		if b.down == nil || b.down.(*nodes.Error).Err.Error() != text {
			b.down = nodes.Errorf(nodes.Unreachable, "read", nodes.In(b.id), text)
			for _, d := range b.devices {
				d.retell()
			}
			b.turn()
		}
		b.mu.Unlock()
		poke(b.wake)
	}
	b.host.Fault(b.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventConnection, Text: text + ". It is tried again by itself."})
	if first {
		b.log.Warn("mqtt: no connection", "broker", cfg.addr(), "error", text)
	}
}

// session connects, and returns when the connection has ended and why; nil when its
// settings changed. up tells whether there was one.
func (b *broker) session(ctx context.Context, cfg *linkConfig, epoch int) (up bool, err error) {
	gone := make(chan error, 1)
	opts, err := b.options(ctx, cfg, gone)
	if err != nil {
		return false, err
	}
	client := mqtt.NewClient(opts)
	token := client.Connect()
	<-token.Done() // ctx ends it too: see dial
	if err := token.Error(); err != nil {
		client.Disconnect(0)
		return false, err
	}
	defer func() {
		b.mu.Lock()
		b.client, b.ready, b.since = nil, false, time.Now()
		b.turn()
		b.stats.changed = true
		b.mu.Unlock()
		client.Disconnect(250)
	}()
	b.mu.Lock()
	b.client, b.since = client, time.Now()
	b.stats.connects++
	b.stats.lastErr = ""
	b.stats.changed = true
	wasDown := b.down != nil
	b.down = nil
	clear(b.again)
	for _, d := range b.devices {
		d.heard = b.since
		for _, f := range d.fields {
			f.live = false
		}
		if wasDown {
			d.back()
		}
	}
	b.mu.Unlock()
	poke(b.wake)
	b.host.Clear(b.id, EventConnection)
	b.log.Info("mqtt: connected", "broker", cfg.addr(), "client", cfg.clientID)
	b.tap.Note(snifferInfo, "", fmt.Sprintf("connected with %s as %s", cfg.addr(), cfg.clientID))
	have := make(map[string]bool)
	for posted := false; ; posted = true {
		if err := b.subscribe(ctx, client, cfg, have); err != nil {
			return true, err
		}
		if !posted {
			if err := b.post(ctx, client); err != nil {
				return true, err
			}
			b.mu.Lock()
			b.ready = true
			b.turn()
			b.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case err := <-gone:
			b.tap.Note(snifferError, "", "connection lost: "+err.Error())
			return true, err
		case <-b.relink:
			b.mu.Lock()
			other := b.epoch != epoch
			b.mu.Unlock()
			if other {
				return true, nil
			}
		}
	}
}

// turn tells those who wait that the connection came or went. The broker is locked.
func (b *broker) turn() {
	close(b.turned)
	b.turned = make(chan struct{})
}

func (b *broker) options(ctx context.Context, cfg *linkConfig, gone chan<- error) (*mqtt.ClientOptions, error) {
	open, err := b.dialer(ctx, cfg)
	if err != nil {
		return nil, err
	}
	o := mqtt.NewClientOptions()
	o.AddBroker("tcp://" + cfg.addr()) // it is our dialer that connects
	o.SetProtocolVersion(4)
	o.SetClientID(cfg.clientID)
	o.SetUsername(cfg.user)
	o.SetPassword(cfg.password)
	o.SetCleanSession(cfg.clean)
	o.SetKeepAlive(cfg.keepAlive)
	o.SetPingTimeout(max(cfg.keepAlive/2, time.Second))
	o.SetConnectTimeout(b.timing.connect)
	o.SetWriteTimeout(b.timing.answer)
	o.SetAutoReconnect(false)
	o.SetConnectRetry(false)
	o.SetOrderMatters(true)
	o.SetCustomOpenConnectionFn(open)
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { b.receive(m) })
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		select {
		case gone <- err:
		default:
		}
	})
	if cfg.willTopic != "" {
		o.SetBinaryWill(cfg.willTopic, []byte(cfg.will), cfg.willQoS, cfg.willRetain)
	}
	return o, nil
}

// clientID returns the client id to use, one of the hub's own when there is none. That
// one stays the same, as persistent sessions need it.
func (b *broker) clientID(configured string) string {
	if configured != "" {
		return configured
	}
	const key = "client id"
	if id, ok := b.host.Shelf().Get(key); ok && len(id) > 0 {
		return string(id)
	}
	id := "hub-" + suffix()
	b.host.Shelf().Put(key, []byte(id))
	return id
}

// suffix is something that no other has.
func suffix() string {
	var random [6]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

// perRequest is how many filters are subscribed in one request.
const perRequest = 100

// subscribe subscribes what is wanted and not yet had, and what is wanted once more, and
// drops what is wanted no more.
func (b *broker) subscribe(ctx context.Context, client mqtt.Client, cfg *linkConfig, have map[string]bool) error {
	b.mu.Lock()
	wanted := b.wanted(cfg)
	var add, drop []string
	for f := range wanted {
		if !have[f] || b.again[f] {
			add = append(add, f)
		}
	}
	if cfg.subscribe != "" && len(b.again) > 0 && len(have) > 0 {
		add = slices.Collect(maps.Keys(wanted)) // retained messages of new topics come again with all others
	}
	var once []string // covered by what is had, but for what is retained
	if cfg.subscribe == "" {
		for topic := range b.again {
			if !wanted[topic] && len(have) > 0 {
				once = append(once, topic)
			}
		}
	}
	clear(b.again)
	b.mu.Unlock()
	if !cfg.clean && len(have) == 0 {
		for _, f := range b.remembered() { // a session that was kept may have filters of before
			have[f] = true
		}
	}
	for f := range have {
		if !wanted[f] {
			drop = append(drop, f)
		}
	}
	if len(add) == 0 && len(drop) == 0 && len(once) == 0 {
		return nil
	}
	if !cfg.clean {
		b.remember(wanted)
	}
	slices.Sort(add)
	for part := range slices.Chunk(drop, perRequest) {
		if err := b.await(ctx, client.Unsubscribe(part...)); err != nil {
			return err
		}
		for _, f := range part {
			delete(have, f)
		}
	}
	var refused []string
	for part := range slices.Chunk(add, perRequest) {
		request := make(map[string]byte, len(part))
		for _, f := range part {
			request[f] = cfg.qos
		}
		token := client.SubscribeMultiple(request, nil)
		err := b.await(ctx, token)
		select {
		case <-token.Done():
		default:
			return err // before that the result is not to be looked at
		}
		for f, code := range token.(*mqtt.SubscribeToken).Result() {
			if code == 0x80 {
				refused = append(refused, f)
			}
			have[f] = true
		}
		if err != nil && len(refused) == 0 {
			return err
		}
	}
	if err := b.fetchRetained(ctx, client, cfg, once); err != nil {
		return err
	}
	if len(refused) == 0 {
		b.host.Clear(b.id, EventSubscription)
		return nil
	}
	slices.Sort(refused)
	b.log.Warn("mqtt: subscriptions refused", "count", len(refused), "first", refused[0])
	b.host.Fault(b.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventSubscription,
		Text: fmt.Sprintf("%s refuses %d of %d subscriptions, the first of them %s. Give the user %s the right to read these topics.",
			cfg.addr(), len(refused), len(add), refused[0], nameOr(cfg.user, "of this connection"))})
	return nil
}

// fetchRetained subscribes topics for a moment, of which messages come by a filter that
// was subscribed before: for what the broker keeps.
func (b *broker) fetchRetained(ctx context.Context, client mqtt.Client, cfg *linkConfig, topics []string) error {
	slices.Sort(topics)
	for part := range slices.Chunk(topics, perRequest) {
		request := make(map[string]byte, len(part))
		for _, f := range part {
			request[f] = cfg.qos
		}
		token := client.SubscribeMultiple(request, nil)
		if err := b.await(ctx, token); err != nil {
			select {
			case <-token.Done(): // it refuses some, which come by the filter, or do not
			default:
				return err
			}
		}
		if err := b.await(ctx, client.Unsubscribe(part...)); err != nil {
			return err
		}
	}
	return nil
}

func nameOr(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

// wanted returns the filters to be subscribed.
func (b *broker) wanted(cfg *linkConfig) map[string]bool {
	out := make(map[string]bool)
	if list := filters(cfg.subscribe); len(list) > 0 {
		for _, f := range list {
			out[f] = true
		}
		return out
	}
	for _, t := range b.templates {
		for _, p := range t.patterns {
			out[p.filter()] = true
		}
	}
	patterns := slices.Collect(maps.Keys(out))
	for topic := range b.routes { // a topic that comes by a pattern would come twice from some brokers
		if !slices.ContainsFunc(patterns, func(f string) bool { return covers(f, topic) }) {
			out[topic] = true
		}
	}
	return out
}

const keyFilters = "filters"

// remembered returns the filters that a session at the broker may still have.
func (b *broker) remembered() []string {
	text, _ := b.host.Shelf().Get(keyFilters)
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

func (b *broker) remember(wanted map[string]bool) {
	b.host.Shelf().Put(keyFilters, []byte(strings.Join(slices.Sorted(maps.Keys(wanted)), "\n")))
}

// await waits for the broker's answer.
func (b *broker) await(ctx context.Context, t mqtt.Token) error {
	timer := time.NewTimer(b.timing.answer)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-timer.C:
		return errNoAnswer
	case <-ctx.Done():
		return ctx.Err()
	}
}
