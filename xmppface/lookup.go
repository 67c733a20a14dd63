package xmppface

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// TLS is how a connection becomes encrypted.
type TLS string

// The ways to encrypt.
const (
	AnyTLS    TLS = ""         // as the records of the domain say; STARTTLS with a fixed server
	StartTLS  TLS = "starttls" // in the clear at first (RFC 6120, 5)
	DirectTLS TLS = "direct"   // from the first byte (XEP-0368)
)

// place is where a server may be.
type place struct {
	addr   string // host:port
	direct bool   // TLS from the first byte
}

// places lists where the server of an account may be, in the order to try. unknown is
// why some records of its services could not be looked up; nil: they were, or there was
// no need.
func places(ctx context.Context, a *Account, domain string) (list []place, unknown, err error) {
	if a.Server == "" {
		return lookup(ctx, a.resolver, domain, a.TLS)
	}
	if _, _, err := net.SplitHostPort(a.Server); err != nil {
		return nil, nil, &Failure{Kind: Misconfigured, Text: "the server " + a.Server + " is not of the form host:port", Err: err}
	}
	return []place{{a.Server, a.TLS == DirectTLS}}, nil, nil
}

// found is a record of a service, with its rank among those of equal priority.
type found struct {
	place
	priority uint16
	rank     float64
}

// lookup finds the servers of a domain: the records of both services are one list
// (RFC 6120, 3.2; XEP-0368). A way to encrypt that is asked for leaves the other's
// records out. Without records the domain itself is the server, on the usual port. unknown
// is why it is not certain that these are all records.
func lookup(ctx context.Context, r *net.Resolver, domain string, want TLS) (places []place, unknown, err error) {
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var plain, direct []*net.SRV
	var ofPlain, ofDirect error
	var wg sync.WaitGroup
	if want != DirectTLS {
		wg.Go(func() { _, plain, ofPlain = r.LookupSRV(short, "xmpp-client", "tcp", domain) })
	}
	if want != StartTLS {
		wg.Go(func() { _, direct, ofDirect = r.LookupSRV(short, "xmpps-client", "tcp", domain) })
	}
	wg.Wait()
	unknown = cmp.Or(unanswered(ofPlain), unanswered(ofDirect))
	var list []found
	add := func(records []*net.SRV, direct bool) {
		for _, s := range records {
			if host := strings.TrimSuffix(s.Target, "."); host != "" { // "." is: not offered
				// Smallest first of exponential variates is the choice by weight of RFC 2782.
				rank := rand.ExpFloat64() / math.Max(float64(s.Weight), 0.01)
				list = append(list, found{place{net.JoinHostPort(host, strconv.Itoa(int(s.Port))), direct}, s.Priority, rank})
			}
		}
	}
	add(plain, false)
	add(direct, true)
	slices.SortStableFunc(list, func(x, y found) int {
		return cmp.Or(cmp.Compare(x.priority, y.priority), cmp.Compare(x.rank, y.rank))
	})
	var out []place
	for _, f := range list {
		out = append(out, f.place)
	}
	switch {
	case len(out) > 0:
		return out, unknown, nil
	case len(plain)+len(direct) > 0:
		return nil, nil, &Failure{Kind: UnknownHost, Text: "the domain " + domain + " says that it has no XMPP server"}
	case ctx.Err() != nil:
		return nil, nil, cmp.Or(unknown, ctx.Err())
	case want == DirectTLS:
		return []place{{net.JoinHostPort(domain, "5223"), true}}, unknown, nil
	}
	return []place{{net.JoinHostPort(domain, "5222"), false}}, unknown, nil
}

// unanswered passes on errors of a lookup but for that there are no records.
func unanswered(err error) error {
	if dns := new(net.DNSError); errors.As(err, &dns) && dns.IsNotFound {
		return nil
	}
	return err
}
