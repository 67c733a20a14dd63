package local

import (
	"bytes"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
)

// The example of RFC 7677, 3.
const (
	rfcFirst  = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
	rfcNonce  = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	rfcServer = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcFinal  = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcLast   = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

var rfcCredential = sync.OnceValues(func() (Credential, error) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		return Credential{}, err
	}
	return derive("pencil", salt, 4096)
})

func rfcExchange(t testing.TB) *exchange {
	t.Helper()
	c, err := rfcCredential()
	if err != nil {
		t.Fatal(err)
	}
	first, err := parseFirst(rfcFirst)
	if err != nil || first.user != "user" {
		t.Fatalf("first: %+v, %v", first, err)
	}
	return newExchange(first, c, rfcNonce)
}

func TestScramVector(t *testing.T) {
	x := rfcExchange(t)
	if x.serverFirst != rfcServer {
		t.Errorf("server first\n got %s\nwant %s", x.serverFirst, rfcServer)
	}
	final, err := parseFinal(rfcFinal)
	if err != nil {
		t.Fatal(err)
	}
	if last, ok := x.finish(final); !ok || last != rfcLast {
		t.Errorf("server final %s, %v; want %s", last, ok, rfcLast)
	}
}

func TestScramRefuses(t *testing.T) {
	for name, change := range map[string]func(*clientFinal){
		"another proof":           func(f *clientFinal) { f.proof[31]++ },
		"another nonce":           func(f *clientFinal) { f.nonce += "x" },
		"nonce of the client":     func(f *clientFinal) { f.nonce = "rOprNGfwEbeRWgbNEkqO" },
		"another channel binding": func(f *clientFinal) { f.binding = "eSws" },
		"another message":         func(f *clientFinal) { f.bare += ",x=y" },
	} {
		x := rfcExchange(t)
		final, err := parseFinal(rfcFinal)
		if err != nil {
			t.Fatal(err)
		}
		change(&final)
		if _, ok := x.finish(final); ok {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestParseFirst(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want clientFirst
		ok   bool
	}{
		{"n,,n=a,r=b", clientFirst{gs2: "n,,", bare: "n=a,r=b", user: "a", nonce: "b"}, true},
		{"y,a=z,n=a=2Cb=3Dc,r=b,x=y", clientFirst{gs2: "y,a=z,", bare: "n=a=2Cb=3Dc,r=b,x=y", authzid: "z", user: "a,b=c", nonce: "b"}, true},
		{"p=tls-exporter,,n=a,r=b", clientFirst{gs2: "p=tls-exporter,,", bare: "n=a,r=b", binding: true, user: "a", nonce: "b"}, true},
		{"", clientFirst{}, false},
		{"n,,n=a", clientFirst{}, false},
		{"n,,n=,r=b", clientFirst{}, false},
		{"n,,n=a,r=", clientFirst{}, false},
		{"n,,n=a,r=b c", clientFirst{}, false},
		{"n,,n=a=2,r=b", clientFirst{}, false},
		{"n,,m=x,n=a,r=b", clientFirst{}, false},
		{"x,,n=a,r=b", clientFirst{}, false},
		{"p=,,n=a,r=b", clientFirst{}, false},
		{"n,z,n=a,r=b", clientFirst{}, false},
		{"n,,n=a\x00,r=b", clientFirst{}, false},
	} {
		got, err := parseFirst(tt.in)
		if (err == nil) != tt.ok || tt.ok && got != tt.want {
			t.Errorf("%q: got %+v, %v; want %+v, good: %v", tt.in, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseFinal(t *testing.T) {
	proof := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for in, want := range map[string]bool{
		"c=biws,r=x,p=" + proof:            true,
		"c=biws,r=x,y=z,p=" + proof:        true,
		"c=biws,r=x":                       false,
		"c=biws,p=" + proof:                false,
		"r=x,c=biws,p=" + proof:            false,
		"c=biws,r=,p=" + proof:             false,
		"c=biws,r=x,p=" + proof[:20]:       false,
		"c=biws,r=x,p=" + proof + ",x=y":   false,
		"c=biws,r=x,p=" + proof[1:] + "\n": false,
	} {
		if _, err := parseFinal(in); (err == nil) != want {
			t.Errorf("%q: %v, want good: %v", in, err, want)
		}
	}
}

func TestNewCredential(t *testing.T) {
	a, err := NewCredential("pencil")
	if err != nil || len(a.Salt) != saltSize || a.Iterations != Iterations || len(a.StoredKey) != 32 || len(a.ServerKey) != 32 {
		t.Errorf("%+v, %v", a, err)
	}
	b, err := NewCredential("pencil")
	if err != nil || bytes.Equal(a.Salt, b.Salt) || bytes.Equal(a.StoredKey, b.StoredKey) {
		t.Errorf("the same salt twice: %+v, %+v, %v", a, b, err)
	}
	for _, p := range []string{"", "päncil", "a\nb", strings.Repeat("x", 1001)} {
		if _, err := NewCredential(p); err == nil {
			t.Errorf("the password %q was accepted", p)
		}
	}
}

// TestNobody: what is told of an account that does not exist looks like one that
// does, and always the same.
func TestNobody(t *testing.T) {
	real, err := NewCredential("pencil")
	if err != nil {
		t.Fatal(err)
	}
	a, again, b := nobody([]byte("s"), "a"), nobody([]byte("s"), "a"), nobody([]byte("s"), "b")
	if !bytes.Equal(a.Salt, again.Salt) || bytes.Equal(a.Salt, b.Salt) || bytes.Equal(a.Salt, nobody([]byte("t"), "a").Salt) {
		t.Errorf("salts: %x, %x, %x", a.Salt, again.Salt, b.Salt)
	}
	if len(a.Salt) != len(real.Salt) || a.Iterations != real.Iterations || len(a.StoredKey) != len(real.StoredKey) || len(a.ServerKey) != len(real.ServerKey) {
		t.Errorf("%+v does not look like %+v", a, real)
	}
}

func FuzzScram(f *testing.F) {
	f.Add(rfcFirst, rfcFinal)
	f.Add("y,a=b,n=a=2Cb,r=c,d=e", "c=biws,r=x,p=AAAA")
	f.Fuzz(func(t *testing.T, first, final string) {
		x := rfcExchange(t)
		if a, err := parseFirst(first); err == nil {
			if a.gs2+a.bare != first || a.user == "" || a.nonce == "" || strings.Contains(a.nonce, ",") {
				t.Errorf("%q: %+v", first, a)
			}
			x = newExchange(a, x.cred, "nonce")
			if !strings.HasPrefix(x.serverFirst, "r="+a.nonce+"nonce,s=") {
				t.Errorf("%q: answered %q", first, x.serverFirst)
			}
		}
		if b, err := parseFinal(final); err == nil {
			if !strings.HasPrefix(final, b.bare+",p=") || len(b.proof) != 32 {
				t.Errorf("%q: %+v", final, b)
			}
			if _, ok := x.finish(b); ok && final != rfcFinal {
				t.Errorf("%q was accepted", final)
			}
		}
	})
}
