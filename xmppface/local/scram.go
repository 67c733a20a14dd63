package local

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// mechanism is the only way to log in (RFC 5802, RFC 7677). A variant with channel
// binding is not offered: clients of today disagree on its kinds with TLS 1.3.
const mechanism = "SCRAM-SHA-256"

// Iterations is how often a password is hashed.
const Iterations = 10000

const saltSize = 16

// Credential is what is kept of a password (RFC 5802, 3): enough to check it, not
// enough to log in with. All accounts should have [Iterations] and salts of 16
// bytes, or they can be told from unknown ones.
type Credential struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte // 32 bytes
	ServerKey  []byte // 32 bytes
}

// NewCredential makes the credential of a password, with a random salt. Passwords
// are 1 to 1000 printable ASCII characters, which every client hashes alike.
func NewCredential(password string) (Credential, error) {
	if password == "" || len(password) > 1000 {
		return Credential{}, errors.New("a password has 1 to 1000 characters")
	}
	for _, c := range []byte(password) {
		if c < ' ' || c > '~' {
			return Credential{}, errors.New("a password may hold only printable ASCII characters")
		}
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return derive(password, salt, Iterations)
}

func derive(password string, salt []byte, iterations int) (Credential, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return Credential{}, err
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	return Credential{salt, iterations, stored[:], mac(salted, "Server Key")}, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// nobody is the credential of an account that does not exist: always the same for
// a name, and fitting no password.
func nobody(secret []byte, name string) Credential {
	return Credential{mac(secret, "salt "+name)[:saltSize], Iterations, mac(secret, "stored "+name), mac(secret, "server "+name)}
}

// errScram is returned for messages that are none of SCRAM.
var errScram = errors.New("malformed SCRAM message")

// clientFirst is the client-first-message.
type clientFirst struct {
	gs2     string // header, with both commas
	bare    string
	binding bool // channel binding is demanded
	authzid string
	user    string
	nonce   string
}

func parseFirst(msg string) (f clientFirst, err error) {
	flag, rest, ok := strings.Cut(msg, ",")
	if !ok {
		return f, errScram
	}
	switch {
	case flag == "n", flag == "y":
	case strings.HasPrefix(flag, "p=") && len(flag) > 2:
		f.binding = true
	default:
		return f, errScram
	}
	authzid, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return f, errScram
	}
	if authzid != "" {
		if f.authzid, ok = name(authzid, "a="); !ok {
			return f, errScram
		}
	}
	f.gs2, f.bare = msg[:len(msg)-len(bare)], bare
	user, rest, ok := strings.Cut(bare, ",")
	if !ok {
		return f, errScram
	}
	if f.user, ok = name(user, "n="); !ok { // "m=", a mandatory extension, among them
		return f, errScram
	}
	nonce, _, _ := strings.Cut(rest, ",") // further extensions are ignored
	if f.nonce, ok = strings.CutPrefix(nonce, "r="); !ok || !printable(f.nonce) {
		return f, errScram
	}
	return f, nil
}

// name reads a saslname.
func name(s, prefix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok || s == "" || strings.ContainsRune(s, 0) {
		return "", false
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && !strings.HasPrefix(s[i:], "=2C") && !strings.HasPrefix(s[i:], "=3D") {
			return "", false
		}
	}
	return strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s), true
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == ',' {
			return false
		}
	}
	return s != ""
}

// exchange is one login, from the client-first-message on.
type exchange struct {
	first       clientFirst
	cred        Credential
	nonce       string // both
	serverFirst string
}

// newExchange answers the client-first-message; the answer is in serverFirst.
func newExchange(f clientFirst, c Credential, nonce string) *exchange {
	x := &exchange{first: f, cred: c, nonce: f.nonce + nonce}
	x.serverFirst = "r=" + x.nonce + ",s=" + base64.StdEncoding.EncodeToString(c.Salt) + ",i=" + strconv.Itoa(c.Iterations)
	return x
}

// clientFinal is the client-final-message.
type clientFinal struct {
	bare    string // without the proof
	binding string
	nonce   string
	proof   []byte
}

func parseFinal(msg string) (f clientFinal, err error) {
	i := strings.LastIndex(msg, ",p=")
	if i < 0 {
		return f, errScram
	}
	f.bare = msg[:i]
	if f.proof, err = base64.StdEncoding.Strict().DecodeString(msg[i+3:]); err != nil || len(f.proof) != sha256.Size {
		return f, errScram
	}
	binding, rest, ok := strings.Cut(f.bare, ",")
	if !ok {
		return f, errScram
	}
	nonce, _, _ := strings.Cut(rest, ",")
	f.binding, ok = strings.CutPrefix(binding, "c=")
	if !ok {
		return f, errScram
	}
	if f.nonce, ok = strings.CutPrefix(nonce, "r="); !ok || !printable(f.nonce) {
		return f, errScram
	}
	return f, nil
}

// finish checks the client-final-message and returns the server-final-message. It
// takes as long for a wrong proof as for a right one.
func (x *exchange) finish(f clientFinal) (serverFinal string, ok bool) {
	message := x.first.bare + "," + x.serverFirst + "," + f.bare
	signature := mac(x.cred.StoredKey, message)
	key := make([]byte, sha256.Size)
	subtle.XORBytes(key, f.proof, signature)
	stored := sha256.Sum256(key)
	right := subtle.ConstantTimeCompare(stored[:], x.cred.StoredKey)
	right &= subtle.ConstantTimeCompare([]byte(f.nonce), []byte(x.nonce))
	right &= subtle.ConstantTimeCompare([]byte(f.binding), []byte(base64.StdEncoding.EncodeToString([]byte(x.first.gs2))))
	return "v=" + base64.StdEncoding.EncodeToString(mac(x.cred.ServerKey, message)), right == 1
}
