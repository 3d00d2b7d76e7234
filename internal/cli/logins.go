package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// login is what `stint login` keeps for one server, in a file that only the user can read.
type login struct {
	Server  string    `json:"server"`
	Issuer  string    `json:"issuer"`
	Client  string    `json:"client"`
	Scopes  []string  `json:"scopes"`
	Token   string    `json:"token"`
	Ends    time.Time `json:"ends"` // zero when it is not known
	Refresh string    `json:"refresh,omitempty"`
}

const loginsHelp = "$XDG_CONFIG_HOME/stint/logins"

// loginFile is where the login to a server is kept.
func loginFile(hostPort string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find your folder for settings: %w", err)
	}
	name := strings.NewReplacer(":", "_", "[", "", "]", "", "/", "_", "%", "_").Replace(hostPort)
	return filepath.Join(dir, "stint", "logins", name+".json"), nil
}

// readLogin answers the login to a server, nil when there is none.
func readLogin(hostPort string) (*login, error) {
	path, err := loginFile(hostPort)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // without a folder there is no login either, and none is needed
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none
	}
	if err != nil {
		return nil, fmt.Errorf("read your login: %w", err)
	}
	var l login
	if err := json.Unmarshal(b, &l); err != nil || l.Server != hostPort || l.Token == "" {
		return nil, fmt.Errorf("%s is no login to %s; run: stint login", clean(path), hostPort)
	}
	return &l, nil
}

// write keeps the login. A reader sees the old one or the new one, whole.
func (l *login) write() error {
	path, err := loginFile(l.Server)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep your login: %w", err)
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("keep your login: %w", err)
	}
	f, err := os.CreateTemp(dir, ".login-") // mode 0600
	if err != nil {
		return fmt.Errorf("keep your login: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep your login: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// take puts what the issuer gave into the login.
func (l *login) take(t *oauth2.Token) {
	l.Token, l.Ends = bearerOf(t)
	if t.RefreshToken != "" {
		l.Refresh = t.RefreshToken
	}
}

// fresh reports whether the login's token holds for a while yet.
func (l *login) fresh(now time.Time) bool {
	return l.Ends.IsZero() || now.Add(renewBefore).Before(l.Ends)
}

// renew gets a new token from the issuer.
func (l *login) renew(ctx context.Context) error {
	i, err := findIssuer(ctx, l.Issuer)
	if err != nil {
		return err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, issuerClient())
	t, err := i.client(l.Client, l.Scopes).TokenSource(ctx, &oauth2.Token{RefreshToken: l.Refresh}).Token()
	if err != nil {
		return err
	}
	l.take(t)
	return l.write()
}

// errLoginEnded says how to go on when a login cannot be renewed.
var errLoginEnded = errors.New("your login has ended; run: stint login")

// loginCreds sends the token of a login with every call, and renews it in time.
type loginCreds struct {
	plaintext bool

	mu    sync.Mutex
	login *login
}

// GetRequestMetadata gives the header of one call. Where the login can no longer be renewed the server says so.
func (c *loginCreds) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.login.fresh(time.Now()) {
		if err := c.renew(ctx); err != nil && !time.Now().Before(c.login.Ends) {
			return nil, err
		}
	}
	return map[string]string{"authorization": "Bearer " + c.login.Token}, nil
}

// renew renews the login, unless another stint has done so meanwhile.
func (c *loginCreds) renew(ctx context.Context) error {
	if other, err := readLogin(c.login.Server); err == nil && other != nil && other.fresh(time.Now()) {
		c.login = other
		return nil
	}
	if c.login.Refresh == "" {
		return errLoginEnded
	}
	err := c.login.renew(ctx)
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		// A refresh token may be good for once, and another stint have been first.
		if other, err := readLogin(c.login.Server); err == nil && other != nil && other.fresh(time.Now()) {
			c.login = other
			return nil
		}
		return fmt.Errorf("%w (the issuer says %s)", errLoginEnded, clean(refused.ErrorCode))
	}
	return err
}

// RequireTransportSecurity is as with bearer.
func (c *loginCreds) RequireTransportSecurity() bool { return !c.plaintext }
