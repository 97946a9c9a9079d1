<?php
// Publishes a post. Arguments: title, text.

require getcwd() . '/wp-load.php';

$post = wp_insert_post(
	array(
		'post_title'   => wp_slash( $argv[1] ),
		'post_content' => wp_slash( $argv[2] ),
		'post_status'  => 'publish',
		'post_author'  => 1,
	),
	true
);
if ( is_wp_error( $post ) ) {
	fwrite( STDERR, $post->get_error_message() );
	exit( 1 );
}
