package xmppface

import (
	"math/rand/v2"
	"time"
)

// haste is how soon it is worth while, and allowed, to connect again after a failure.
type haste int

// The hastes. What they are, with the usual Options of a Face, is the table of [pace].
const (
	quickly   haste = iota // connections that are lost or not made: the network or the server comes back
	calmly                 // names, certificates, the clock: somebody has to do something, or time goes by
	sparingly              // the server wants to be left alone
	slowly                 // the account is refused: servers count that, and ban who goes on
	seldom                 // somebody else has our place: two would throw each other out for ever
	hastes
)

// haste returns that of a kind of failure; quickly for those that are not in the table.
//
//	kind                                                        pauses            anew after
//	Lost, Refused, Unreachable, ServerShutdown, BrokenStream    1 s to 2 min      1 min online
//	UnknownHost, NoNames, Cert..., WrongClock, NoTLS,
//	WrongDomain, Misconfigured                                  10 s to 5 min     1 min online
//	RateLimit, LoginDown                                        30 s to 10 min    10 min online
//	WrongPassword, PasswordExpired, Disabled, NoMechanism,
//	Unauthentic, Unbound, NotCreated                            1 min to 1 h      1 min online
//	Replaced                                                    1 min to 1 h      1 h online
//
// Each haste has its own pause, which doubles; all begin anew when somebody asks for a
// connection.
func (k FailureKind) haste() haste {
	switch k {
	case UnknownHost, NoNames, CertExpired, CertNotYet, CertAuthority, CertName, CertKey, WrongClock, NoTLS, WrongDomain, Misconfigured:
		return calmly
	case RateLimit, LoginDown:
		return sparingly
	case WrongPassword, PasswordExpired, Disabled, NoMechanism, Unauthentic, Unbound, NotCreated:
		return slowly
	case Replaced:
		return seldom
	}
	return quickly
}

// pace is what a haste means: the first and the last pause, in parts of those of
// connections that are lost, and for how long a session has to be online so that pauses
// begin anew, in parts of the last of those.
var pace = [hastes]struct{ first, last, anew float64 }{
	quickly:   {1, 1, 0.5},
	calmly:    {10, 2.5, 0.5},
	sparingly: {30, 5, 5},
	slowly:    {60, 30, 0.5},
	seldom:    {60, 30, 30},
}

// backoff says how long to wait before connecting again. Not safe for concurrent use.
type backoff struct {
	first, last time.Duration // of connections that are lost
	wait        [hastes]time.Duration
}

// next returns the pause after a failure, and doubles the one after that. online is for
// how long there was a connection before. Pauses vary at random by a half, or after a
// failure of the server all would come at once.
func (b *backoff) next(kind FailureKind, online time.Duration) time.Duration {
	for h, p := range pace {
		if online >= part(b.last, p.anew) {
			b.wait[h] = 0
		}
	}
	h := kind.haste()
	first := part(b.first, pace[h].first)
	wait := max(b.wait[h], first)
	b.wait[h] = min(2*wait, max(first, part(b.last, pace[h].last)))
	return wait/2 + rand.N(wait)
}

// reset begins anew.
func (b *backoff) reset() { b.wait = [hastes]time.Duration{} }

func part(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }
