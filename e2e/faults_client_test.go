package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// client is a visitor without a window: cookies, and nothing but HTTP.
type client struct {
	*http.Client
	p     *program
	login string
}

// reply is an answer that was read to its end.
type reply struct {
	status   int
	location string
	body     string
	at       *url.URL
	header   http.Header
}

// as signs in to the demo.
func (p *program) as(login string) *client {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	must(p.t, err)
	// Every host of the site is this machine.
	tr := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", p.port))
	}, MaxIdleConnsPerHost: 4}
	p.t.Cleanup(tr.CloseIdleConnections)
	c := &client{p: p, login: login, Client: &http.Client{Transport: tr, Jar: jar, Timeout: 90 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if got := c.mustPost("/sign-in/demo", url.Values{"login": {login}}); got.status != http.StatusSeeOther {
		p.t.Fatalf("sign-in of %s: %d", login, got.status)
	}
	return c
}

func (c *client) get(to string) (reply, error) { return c.ask(http.MethodGet, to, "", nil) }

func (c *client) post(to string, form url.Values) (reply, error) {
	return c.ask(http.MethodPost, to, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// ask sends what a page of the same site would.
func (c *client) ask(method, to, kind string, body io.Reader) (reply, error) {
	if strings.HasPrefix(to, "/") {
		to = c.p.url() + to
	}
	r, err := http.NewRequest(method, to, body)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Accept", "text/html")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	}
	res, err := c.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header.Get("Location"), string(text), r.URL, res.Header}, err
}

func (c *client) mustGet(to string) reply {
	c.p.t.Helper()
	got, err := c.get(to)
	must(c.p.t, err)
	return got
}

func (c *client) mustPost(to string, form url.Values) reply {
	c.p.t.Helper()
	got, err := c.post(to, form)
	must(c.p.t, err)
	return got
}

// upload sends a form with a file, or without one if it has no name.
func (c *client) upload(to string, fields map[string]string, name, text string) reply {
	c.p.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for k, v := range fields {
		must(c.p.t, form.WriteField(k, v))
	}
	if name != "" {
		w, err := form.CreateFormFile("files", name)
		must(c.p.t, err)
		_, err = io.WriteString(w, text)
		must(c.p.t, err)
	}
	must(c.p.t, form.Close())
	got, err := c.ask(http.MethodPost, to, form.FormDataContentType(), &body)
	must(c.p.t, err)
	return got
}

const firstSteps = "/courses/demo/assignments/first-steps"

// open presses Open assignment and comes out inside JupyterLab; it gives the
// workspace's origin.
func (c *client) open() (string, error) {
	lab, err := c.enter()
	if err != nil {
		return "", err
	}
	got, err := c.get(lab.String())
	if err != nil || got.status != http.StatusOK {
		return "", fmt.Errorf("%s: %d %.300s %w", lab, got.status, got.body, err)
	}
	return origin(lab), nil
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// enter presses Open assignment and goes on, by way of the launch page if there
// is one, to the workspace's door; it gives the page behind that.
func (c *client) enter() (*url.URL, error) {
	got, err := c.post(firstSteps+"/open", nil)
	if err != nil {
		return nil, err
	}
	if strings.Contains(got.location, "/workspaces/") {
		next, err := c.launched(got.location)
		if err != nil {
			return nil, err
		}
		if got, err = c.get(next); err != nil {
			return nil, err
		}
	}
	for range 5 {
		if got.status/100 != 3 {
			break
		}
		to, err := got.at.Parse(got.location)
		if err != nil || strings.HasPrefix(to.Path, "/lab/tree/first-steps/") {
			return to, err
		}
		if got, err = c.get(to.String()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("open leads to %s: %d %.300s", got.at, got.status, got.body)
}

// launched follows the events of a launch page and gives where it goes then.
func (c *client) launched(page string) (string, error) {
	u, err := url.Parse(c.p.url() + page)
	if err != nil {
		return "", err
	}
	u.Path += "/events"
	got, err := c.get(u.String())
	if err != nil {
		return "", err
	}
	event := ""
	for lines := bufio.NewScanner(strings.NewReader(got.body)); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var e struct{ URL, Text string }
		switch {
		case !ok:
		case json.Unmarshal([]byte(data), &e) != nil:
			return "", fmt.Errorf("the launch page is told %q", data)
		case event == "ready":
			return e.URL, nil
		case event == "failed":
			return "", fmt.Errorf("the start failed: %s", e.Text)
		}
	}
	return "", fmt.Errorf("the launch page's events end with %.300s", got.body)
}

// newKernel starts a kernel in a workspace, through the proxy.
func (c *client) newKernel(origin string) (string, error) {
	got, err := c.ask(http.MethodPost, origin+"/api/kernels", "application/json", strings.NewReader(`{"name":"python3"}`))
	if err != nil {
		return "", err
	}
	var k struct{ ID string }
	if err := json.Unmarshal([]byte(got.body), &k); err != nil || k.ID == "" {
		return "", fmt.Errorf("new kernel: %d %.300s", got.status, got.body)
	}
	return k.ID, nil
}

// run executes code in a kernel over a new websocket and gives its result.
func (c *client) run(origin, kernel, code string) (string, error) {
	ctx, done := context.WithTimeout(context.Background(), 60*time.Second)
	defer done()
	conn, err := c.socket(ctx, origin, kernel)
	if err != nil {
		return "", err
	}
	defer conn.CloseNow()
	id := uuid.NewString()
	msg, err := json.Marshal(map[string]any{
		"header": map[string]any{"msg_id": id, "msg_type": "execute_request", "session": uuid.NewString(), "username": "", "version": "5.3",
			"date": time.Now().UTC().Format(time.RFC3339)},
		"parent_header": map[string]any{}, "metadata": map[string]any{}, "buffers": []any{}, "channel": "shell",
		"content": map[string]any{"code": code, "silent": false, "store_history": true, "user_expressions": map[string]any{}, "allow_stdin": false, "stop_on_error": true},
	})
	if err != nil {
		return "", err
	}
	if err := conn.Write(ctx, websocket.MessageText, msg); err != nil {
		return "", err
	}
	return answer(ctx, conn, id)
}

// socket opens a kernel's websocket as JupyterLab does.
func (c *client) socket(ctx context.Context, origin, kernel string) (*websocket.Conn, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	h := http.Header{"Origin": {origin}}
	for _, cookie := range c.Jar.Cookies(u) {
		h.Add("Cookie", cookie.String())
	}
	conn, _, err := websocket.Dial(ctx, "ws://"+u.Host+"/api/kernels/"+kernel+"/channels?session_id="+uuid.NewString(),
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: c.Transport}, HTTPHeader: h})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(16 << 20)
	return conn, nil
}

// answer reads a kernel's messages until the request is done.
func answer(ctx context.Context, conn *websocket.Conn, id string) (result string, err error) {
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return "", err
		}
		var m struct {
			Header struct {
				Type string `json:"msg_type"`
			} `json:"header"`
			Parent struct {
				ID string `json:"msg_id"`
			} `json:"parent_header"`
			Content struct {
				Data  map[string]any `json:"data"`
				State string         `json:"execution_state"`
				Name  string         `json:"ename"`
			} `json:"content"`
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return "", err
		}
		if m.Parent.ID != id {
			continue
		}
		switch {
		case m.Header.Type == "execute_result":
			result, _ = m.Content.Data["text/plain"].(string)
		case m.Header.Type == "error":
			return "", fmt.Errorf("the kernel raised %s", m.Content.Name)
		case m.Header.Type == "status" && m.Content.State == "idle":
			return result, nil
		}
	}
}
