package xmppface

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/fieldhub/hub/nodes"
	"mellium.im/xmpp/jid"
)

// Account is how and as whom to connect.
type Account struct {
	JID      string // bare address
	Password string
	// Component is for a component of the server (XEP-0114), with JID its domain and
	// Password its secret. It needs a Server on this machine, or DirectTLS. It has no
	// roster: who asks to see its presence is asked for theirs each time.
	Component bool
	// Server is host:port; when empty, the domain's SRV records tell, or else it is
	// the domain itself, port 5222. Whatever it is, the certificate must be for the
	// domain of JID.
	Server string
	TLS    TLS    // how the connection becomes encrypted; TLS is 1.2 or later
	CAFile string // authorities in PEM; the system's when empty
	// Pins are keys of the server, as ParsePin reads them. When there are any, one of
	// them is what makes a server trusted: its certificate's authority, name and dates
	// are not looked at.
	Pins []string
	// Bound makes only logins that are bound to the TLS connection (SCRAM-PLUS): nobody
	// in between can pass them on, whatever certificate he has.
	Bound bool
	// Insecure accepts any certificate, so that anybody in between can read and change
	// all. It is for benches; each connect logs a warning.
	Insecure bool
	// Resource is the beginning of the resource; "-" and a random part follow, so
	// that a new session is never mistaken for the one before. "hub" when empty.
	Resource string
	Way      nodes.Way // what callers are said to have come by; WayBroker when empty
	// Priority of the presence, -128 to 127; negative: no messages to the bare
	// address. Clients use -1.
	Priority int
	// Timeout is for connecting and logging in; 30 s when 0.
	Timeout time.Duration
	// KeepAlive is after how long a silence the server is asked for a sign of life;
	// it has half a minute to answer, or as long again when that is less. 4 minutes
	// when 0: mobile networks forget a silent connection after 5 and more, and each
	// sign of life costs energy and data there.
	KeepAlive time.Duration
	// Welcome tells whether somebody may see our presence, which is asked for by a
	// subscription; the hub then wants to see theirs, too. When nil, requests are
	// left unanswered. It must not block.
	Welcome func(nodes.Caller) bool
	// Requests keeps requests of those who are not welcome; they are refused when nil.
	Requests Requests
	// Creation makes the account where the server does not know it; never, when nil.
	Creation Creation
	Limits   Limits       // of what others may ask
	Log      *slog.Logger // slog.Default() when nil
	// Trace gets the exact bytes of every stanza after login, sent or received. It
	// is called by several goroutines. May be nil.
	Trace func(sent bool, stanza []byte)

	now      func() time.Time // for tests of certificates; time.Now when nil
	resolver *net.Resolver    // for tests; the system's when nil
	maxTLS   uint16           // for tests; the latest when 0
	channel  *channel         // shared by the copies of an account that was filled
}

func (a *Account) fill() (jid.JID, error) {
	j, err := jid.Parse(a.JID)
	if a.Component {
		if err != nil || j.Localpart() != "" || a.Server == "" {
			return jid.JID{}, &Failure{Kind: Misconfigured, Text: "a component needs its domain as address, which " + a.JID + " is not, and a server as host:port"}
		}
	} else if err != nil || j.Localpart() == "" {
		return jid.JID{}, &Failure{Kind: Misconfigured, Text: "the address " + a.JID + " is not of the form name@domain"}
	}
	if a.TLS != AnyTLS && a.TLS != StartTLS && a.TLS != DirectTLS {
		return jid.JID{}, &Failure{Kind: Misconfigured, Text: "tls is " + string(StartTLS) + " or " + string(DirectTLS) + ", not " + string(a.TLS)}
	}
	if a.Resource == "" {
		a.Resource = "hub"
	}
	if a.Way == "" {
		a.Way = nodes.WayBroker
	}
	if a.Timeout <= 0 {
		a.Timeout = 30 * time.Second
	}
	if a.Limits.Waiting <= 0 {
		a.Limits.Waiting = peerJobs
	}
	if a.Limits.Unsent <= 0 {
		a.Limits.Unsent = unsentBytes
	}
	if a.KeepAlive <= 0 {
		a.KeepAlive = 4 * time.Minute
	}
	if a.Log == nil {
		a.Log = slog.Default()
	}
	if a.resolver == nil {
		a.resolver = net.DefaultResolver
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.channel == nil {
		a.channel = &channel{must: a.Bound}
	}
	return j.Bare(), nil
}

// Normalize returns the bare and the full form of an address as they are compared:
// case and width folded as RFC 7622 says. full equals bare when there is no
// resource.
func Normalize(address string) (bare, full string, err error) {
	j, err := jid.Parse(address)
	if err != nil {
		return "", "", err
	}
	return j.Bare().String(), j.String(), nil
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
