package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

const loginHelp = `Sign in to the server with your browser, on this or any other machine.

It shows an address and a code; open the address, compare the code, and sign in as
you do on the web pages. The login is kept in ` + loginsHelp + `
(mode 0600), one for each server, and renewed for as long as the issuer lets it.

A token given by --token-file, STINT_TOKEN or ` + tokenFileHelp + ` goes before a login.`

func newLoginCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in with your browser",
		Long:  loginHelp,
		Args:  arguments(0, 0),
	}
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error { return a.signIn(ctx) })
	return cmd
}

func (a *app) signIn(ctx context.Context) error {
	t, err := a.link.target()
	if err != nil {
		return err
	}
	options, err := a.signInOptions(ctx)
	if err != nil {
		return err
	}
	switch {
	case options.GetOpen():
		return errors.New("nobody needs to sign in to this server: it takes you for its local user")
	case options.GetOidcDeviceClientId() == "":
		return fmt.Errorf("this server has no sign-in for the command line; ask its operators for a token, and put it into %s", tokenFileHelp)
	}
	i, err := findIssuer(ctx, options.GetOidcIssuer())
	if err != nil {
		return err
	}
	if i.Device == "" {
		return fmt.Errorf("the issuer %s has no device flow; ask the operators for a token", clean(i.Issuer))
	}
	l := &login{Server: t.hostPort, Issuer: i.Issuer, Client: options.GetOidcDeviceClientId(), Scopes: options.GetOidcScopes()}
	token, err := a.byDevice(ctx, i.client(l.Client, l.Scopes))
	if err != nil {
		return err
	}
	l.take(token)
	if err := l.write(); err != nil {
		return err
	}
	// With the login from here on, to see that the server takes it.
	_ = a.conn.Close()
	a.conn, a.anonymous = nil, false
	s, err := a.serverStatus(ctx)
	if err != nil {
		return err
	}
	say(a.out, "Signed in to %s as %s.", t.hostPort, clean(s.GetUser()))
	if other := a.tokenSource(); other != "" {
		fmt.Fprintf(a.err, "stint: note: %s goes before the login\n", other)
	}
	return nil
}

// signInOptions asks the server how to sign in, without any credentials.
func (a *app) signInOptions(ctx context.Context) (*authv1.GetSignInOptionsResponse, error) {
	a.anonymous = true
	conn, err := a.connect()
	if err != nil {
		return nil, err
	}
	var res *authv1.GetSignInOptionsResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = authv1.NewAuthServiceClient(conn).GetSignInOptions(ctx, &authv1.GetSignInOptionsRequest{})
		return err
	})
	return res, err
}

// byDevice has the user sign in somewhere else, and waits for that.
func (a *app) byDevice(ctx context.Context, client *oauth2.Config) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, issuerClient())
	d, err := client.DeviceAuth(ctx)
	if err != nil {
		return nil, explainIssuer(err)
	}
	address := d.VerificationURIComplete
	if address == "" {
		address = d.VerificationURI
	}
	fmt.Fprintf(a.err, "Open %s\nin a browser, see that it shows the code %s, and sign in.\n", clean(address), clean(d.UserCode))
	token, err := client.DeviceAccessToken(ctx, d)
	if err != nil {
		return nil, explainIssuer(err)
	}
	return token, nil
}

// explainIssuer turns an issuer's refusal into words.
func explainIssuer(err error) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), ok && refused.ErrorCode == "expired_token":
		return errors.New("nobody signed in in time; run stint login again")
	case ok && refused.ErrorCode == "access_denied":
		return errors.New("the sign-in was refused")
	case ok && refused.ErrorCode != "":
		return fmt.Errorf("the issuer refuses: %s", clean(refused.ErrorCode))
	default:
		return err
	}
}

func newLogoutCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Forget the login to the server",
		Args:  arguments(0, 0),
	}
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		t, err := a.link.target()
		if err != nil {
			return err
		}
		path, err := loginFile(t.hostPort)
		if err != nil {
			return err
		}
		l, readErr := readLogin(t.hostPort) // one that cannot be read is to go, too
		err = os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			say(a.out, "You were not signed in to %s.", t.hostPort)
			return nil
		}
		if err != nil {
			return fmt.Errorf("forget the login: %w", err)
		}
		if l != nil && readErr == nil {
			if err := l.revoke(ctx); err != nil {
				fmt.Fprintf(a.err, "stint: warning: the issuer was not told: %v\n", err)
			}
		}
		say(a.out, "Signed out of %s.", t.hostPort)
		return nil
	})
	return cmd
}

func (l *login) revoke(ctx context.Context) error {
	if l.Refresh == "" {
		return nil
	}
	i, err := findIssuer(ctx, l.Issuer)
	if err != nil {
		return err
	}
	return i.revoke(ctx, l.Client, l.Refresh)
}
