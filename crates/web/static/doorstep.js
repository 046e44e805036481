(function () {
  'use strict';
  // Old browsers run this as well: no syntax after 2009. The first function becomes a worker from
  // its own text.
  function work(text, bits) {
    var K = [], H = [], W = new Int32Array(64), S = new Int32Array(8), n, i, seed;
    for (n = 2; K.length < 64; n++) {
      for (i = 2; i * i <= n && n % i; i++);
      if (i * i <= n) continue;
      if (H.length < 8) H.push(Math.pow(n, 1 / 2) * 4294967296 | 0);
      K.push(Math.pow(n, 1 / 3) * 4294967296 | 0);
    }
    K = new Int32Array(K);
    function block() {
      var a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7], i, x, y;
      for (i = 16; i < 64; i++) {
        x = W[i - 15];
        y = W[i - 2];
        W[i] = W[i - 16] + W[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) +
          ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0;
      }
      for (i = 0; i < 64; i++) {
        x = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) +
          (e & f ^ ~e & g) + K[i] + W[i] | 0;
        y = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) +
          (a & b ^ a & c ^ b & c) | 0;
        h = g; g = f; f = e; e = d + x | 0; d = c; c = b; b = a; a = x + y | 0;
      }
      S[0] = a + H[0]; S[1] = b + H[1]; S[2] = c + H[2]; S[3] = d + H[3];
      S[4] = e + H[4]; S[5] = f + H[5]; S[6] = g + H[6]; S[7] = h + H[7];
    }
    for (i = 0; i < text.length; i++) W[i >> 2] |= text.charCodeAt(i) << 24 - 8 * (i & 3);
    W[i >> 2] |= 128 << 24 - 8 * (i & 3);
    W[15] = 8 * text.length;
    block();
    seed = [].slice.call(S);
    return function (part) {
      for (i = 0; i < 16; i++) W[i] = i < 8 ? seed[i] : 0;
      W[8] = part;
      W[10] = 1 << 31;
      W[15] = 320;
      for (n = 0; ; n++) {
        W[9] = n;
        block();
        if (S[0] >>> 32 - bits === 0) return n.toString(36);
      }
    };
  }

  var box = document.getElementById('work'), bar = document.getElementById('bar');
  var say = document.getElementById('say'), words = [];
  function given(name) { return box.getAttribute('data-' + name); }
  var name = given('cookie') + '=', bits = +given('bits'), parts = +given('parts');
  // The challenge came in a cookie, and leaves in it with its answer.
  function kept() {
    var all = document.cookie.split('; '), i;
    for (i = 0; i < all.length; i++) {
      if (all[i].indexOf(name) === 0) return all[i].slice(name.length);
    }
    return '';
  }
  var text = kept().split('.')[0];

  function take(word) {
    words.push(word);
    bar.style.width = 100 * words.length / parts + '%';
    bar.parentNode.setAttribute('aria-valuenow', words.length);
    if (words.length < parts) return;
    document.cookie = name + text + '.' + words.join('.') + ';path=/;max-age=60;samesite=lax' +
      (location.protocol === 'https:' ? ';secure' : '');
    say.textContent = given('done');
    location.reload();
  }
  function here() {
    var step = work(text, bits), part = 0;
    (function next() {
      take(step(part++));
      if (part < parts) setTimeout(next, 0);
    })();
  }
  box.hidden = document.getElementById('why').hidden = false;
  document.getElementById('idle').hidden = true;
  if (!text) {
    say.textContent = given('cookieless');
    return;
  }
  try {
    var source = 'onmessage=function(e){var d=e.data,s=(' + work + ')(d[0],d[1]);' +
      'for(var p=0;p<d[2];p++)postMessage(s(p))}';
    var worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    worker.onmessage = function (event) { take(event.data); };
    var alone = function () {
      if (words.length || !worker) return;
      worker.terminate();
      worker = null;
      here();
    };
    worker.onerror = alone;
    // A worker that was refused without a word.
    setTimeout(alone, 8000);
    worker.postMessage([text, bits, parts]);
  } catch (error) {
    here();
  }
})();
